"""Calls and tokens of served models for each accepted sample, by purpose; part of `bench.planner`.

Everything but the served models is a fake, so that a sample takes a second or two: counts are those of profile
`served`, since they follow from verdicts alone.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.campaign import Limits
from agent.graph import build_graph
from agent.leads import build_leads
from agent.model_calls import exact_request
from agent.nodes import Node, Update
from agent.profile import Profile
from agent.session import Session
from agent.state import SampleState
from bench.planner_cost import Recorded
from ditto_models.vision import tokens_of
from memory.artifacts import ArtifactStore
from memory.ledger import Ledger
from memory.sample import Event, Sample
from tests.expert import expert
from tests.fake_run import Values, fake_models, fake_profile, run_fake
from tests.planner_traces import FEW_FLAWS
from tests.scripted_server import ScriptedServer
from tests.served import served_by
from tools.critic.axes import MODEL_AXES

REAL_SIZE = ("clips.frames=49", "clips.max_width=640", "clips.max_height=360", "edits_per_clip=24")
"""What a run gives its models to look at; the tests' clips are tiny."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Of all samples of a campaign, accepted or not."""

    samples: int
    accepted: int
    calls: Mapping[str, int]
    """By purpose."""
    prompt_tokens: Mapping[str, int]
    answer_tokens: Mapping[str, int]
    picture_tokens: Mapping[str, int]
    """Of pictures in requests, by their sizes and the rules of the model's family; a scripted server counts none."""


class Watch:
    """Keeps every state in which the samples of a session decide or act."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []

    def prepare(self, session: Session) -> None:
        """Rebuild the session's graph with nodes that keep their states."""
        steps = session.steps
        session.graph = build_graph(self._kept("decide", steps.decide), lambda tool: self._kept(tool, steps.act(tool)))

    def _kept(self, by: str, node: Node) -> Node:
        async def keep(state: SampleState) -> Update:
            self.recorded.append(Recorded(by=by, state=state))
            return await node(state)

        return keep


def by_expert(run: Path, clips: Path, samples: int, values: Values, watch: Watch | None = None) -> Counted:
    """A campaign of profile `served` whose served models are the scripted expert; `values` are those of the critic."""
    with ScriptedServer(expert()) as server:
        profile = fake_profile(*served_by(server), *REAL_SIZE, name="served")
        models = fake_models(profile, values=values, leads=build_leads(profile))
        limits = Limits(target=samples, max_candidates=samples)
        prepare = watch.prepare if watch else lambda session: None
        _, decided = run_fake(run, clips, samples, profile=profile, models=models, limits=limits, prepare=prepare)
    return counted(decided, _events(run), run, profile)


def body_of(run: Path, purpose: str, model: str) -> bytes:
    """The first request of a run for a purpose, as another model is asked the same."""
    call = next(call for event in _events(run) for call in event.calls if call.purpose == purpose)
    asked = json.loads(exact_request(call, ArtifactStore(run / "artifacts")))
    return json.dumps(asked | {"model": model}).encode()


def _events(run: Path) -> list[Event]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        return [event for row in ledger.rows() for event in ledger.events(row.sample.id)]


def some_flaws(sample: Sample) -> dict[str, float | None]:
    """As the scripted critic of the planner's traces: 4 videos in 8 fail no measured axis, 3 fail one, 1 fails two."""
    profile = fake_profile(name="served")
    at = random.Random(f"{sample.seed} video {sample.attempts.get('generate_video', 0)}")
    axes = sorted(set(profile.policy.thresholds) - set(MODEL_AXES))
    failing = at.sample(axes, at.choices([0, 1, 2], FEW_FLAWS)[0])
    steadied = sample.edit is not None and sample.edit.enhanced
    return {axis: 0.0 for axis in failing if not steadied or axis != "temporal_steadiness"}


def counted(samples: Sequence[Sample], events: Sequence[Event], run: Path, profile: Profile) -> Counted:
    """The calls of these events."""
    calls = [call for event in events for call in event.calls]
    artifacts, vision = ArtifactStore(run / "artifacts"), profile.servers["vlm"].vision
    numbers, asked, answered, pictures = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for call in calls:
        numbers[call.purpose] += 1
        asked[call.purpose] += call.prompt_tokens
        answered[call.purpose] += call.answer_tokens
        messages = json.loads(exact_request(call, artifacts))["messages"]
        parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
        pictures[call.purpose] += tokens_of(parts, vision)
    accepted = sum(sample.decision == "accepted" for sample in samples)
    return Counted(
        samples=len(samples),
        accepted=accepted,
        calls=numbers,
        prompt_tokens=asked,
        answer_tokens=answered,
        picture_tokens=pictures,
    )
