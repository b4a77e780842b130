"""Traces of the embedded planner: what it was shown at each decision of real campaigns on fakes, and what it called.

    .venv/bin/python -m tests.planner_traces OUT.jsonl --samples 40 --seed 0

One decision in five is carried out at random, though the trace keeps what the rules would have done: so there are
traces of the states as well that only an imperfect planner comes to. And where there are edit types to choose from,
the rules are asked again with the same ones in other orders: that the first counts is hard to see in a few traces.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import random
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_openai_messages
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr

from agent.campaign import Limits
from agent.planner import PlannerModel
from agent.profile import Profile
from ditto_models.embedded.planner import RulePlanner
from memory.ledger import Ledger
from memory.sample import Critique, Event, Sample, Score
from prompts.library import render
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.fakes import random_arguments, tool_call

FEW_FLAWS, MANY_FLAWS = (4, 3, 1), (1, 2, 1)
"""How many videos to how many fail no axis, one, two."""
STRAYS = 0.2
"""Share of decisions that are carried out at random."""
REORDERED = 4
"""How many times offers of edit types are traced once more, in another order."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The messages and strict tools that a planner was given, and the rules' call: its name and arguments."""

    messages: list[BaseMessage]
    tools: list[dict[str, Any]]
    name: str
    arguments: dict[str, Any]


class TracedRules(RulePlanner):
    """The rule planner, whose decisions are kept; now and then another legal call than its own is carried out."""

    _kept: list[Decision] = PrivateAttr(default_factory=list)
    _chance: random.Random = PrivateAttr(default_factory=lambda: random.Random("strays"))

    @property
    def kept(self) -> list[Decision]:
        """Every decision so far."""
        return self._kept

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = super()._generate(messages, stop, run_manager, **kwargs)
        answer = result.generations[0].message
        assert isinstance(answer, AIMessage)
        call, tools = answer.tool_calls[0], kwargs["tools"]
        self._kept.append(Decision(messages=messages, tools=tools, name=call["name"], arguments=call["args"]))
        if self._chance.random() < STRAYS:
            tool = self._chance.choice(tools)
            result.generations[0].message = tool_call(tool["function"]["name"], **random_arguments(tool, self._chance))
        return result


class ScriptedCritic:
    """Scores by chance, the same for the same sample and attempt.

    A quarter of the key frames fail an axis. Videos fail none, one or two of them as `flaws` weighs it; what one failed
    for its steadiness, it fails no more once it is enhanced.
    """

    name = "scripted-critic"

    def __init__(self, profile: Profile, flaws: Sequence[int]) -> None:
        self._policy = profile.policy
        self._flaws = flaws

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of a candidate."""
        assert sample.key_frame is not None
        number = sample.key_frame.candidates.index(candidate)
        at = random.Random(f"{sample.seed} key frame {sample.attempts.get('edit_key_frame', 0)} {number}")
        failing = at.sample(sorted(self._policy.key_frame_thresholds), at.choices([0, 1], [3, 1])[0])
        return self._critique(at, self._policy.key_frame_thresholds, failing)

    def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        at = random.Random(f"{sample.seed} video {sample.attempts.get('generate_video', 0)}")
        failing = at.sample(sorted(self._policy.thresholds), at.choices([0, 1, 2], self._flaws)[0])
        steadied = sample.edit is not None and sample.edit.enhanced
        return self._critique(
            at, self._policy.thresholds, [axis for axis in failing if not steadied or axis != "temporal_steadiness"]
        )

    def _critique(self, at: random.Random, axes: Mapping[str, float], failing: list[str]) -> Critique:
        values = {
            axis: round(at.uniform(0, threshold - 0.01) if axis in failing else at.uniform(threshold, 1), 2)
            for axis, threshold in axes.items()
        }
        return Critique(scores={axis: Score(value=value, reason="scripted") for axis, value in values.items()})


@dataclass(frozen=True, kw_only=True)
class Led:
    """The samples that a planner led to their decisions, every step of each by its id, and the run's folder."""

    run: Path
    samples: dict[str, Sample]
    events: dict[str, list[Event]]

    @property
    def accepted(self) -> int:
        """How many samples were accepted."""
        return sum(sample.decision == "accepted" for sample in self.samples.values())

    @property
    def planned(self) -> list[Event]:
        """The steps that the planner was asked about."""
        steps = [event for events in self.events.values() for event in events]
        return [event for event in steps if event.by == "planner" or event.planner_fallback]

    def calls(self, sample_id: str) -> list[tuple[str, str]]:
        """The calls of a sample in their order, as tool and arguments."""
        return [(event.tool, json.dumps(event.arguments)) for event in self.events[sample_id]]


def lead(
    planner: PlannerModel,
    folder: Path,
    samples: int,
    seed: int,
    *,
    concurrency: int = 1,
    flaws: Sequence[int] = FEW_FLAWS,
) -> Led:
    """Let a planner lead so many samples on fakes under the scripted critic, from the clips of a folder.

    Without concurrency the same planner, seed and folder give the same samples.
    """
    profile = fake_profile("edits_per_clip=24")
    models = replace(fake_models(profile, planner), critic=lambda media, ledger: ScriptedCritic(profile, flaws))
    limits = Limits(target=samples, max_candidates=samples, concurrency=concurrency)
    clips = folder / "clips"
    if not clips.exists():
        make_clips(clips, count=4)
    run = folder / f"run-{len(list(folder.iterdir()))}"
    _, decided = run_fake(run, clips, samples, profile=profile, models=models, limits=limits, seed=seed)
    ledger = Ledger(run / "ledger.sqlite")
    events = {sample.id: list(ledger.events(sample.id)) for sample in decided}
    ledger.close()
    return Led(run=run, samples={sample.id: sample for sample in decided}, events=events)


def record(folder: Path, samples: int, seed: int) -> list[Decision]:
    """The decisions of a campaign of so many samples; the same seed gives the same ones."""
    rules = TracedRules()
    model = PlannerModel(chat=rules, name="rules")
    lead(model, folder, samples, seed, flaws=MANY_FLAWS)
    return rules.kept


def with_reordered(decisions: Sequence[Decision], seed: int) -> list[Decision]:
    """The decisions, and those that choose an edit type also with the offers in other orders."""
    chance = random.Random(seed)
    all_of_them = list(decisions)
    for decision in decisions:
        if decision.name == "write_instruction":
            all_of_them += [_reordered(decision, chance) for _ in range(REORDERED)]
    return all_of_them


def _reordered(decision: Decision, chance: random.Random) -> Decision:
    system, question = decision.messages
    assert isinstance(question.content, list)
    text, sheet = question.content
    assert isinstance(text, dict)
    state = json.loads(text["text"].partition("<state>")[2].partition("</state>")[0])
    tools = copy.deepcopy(decision.tools)
    index = [entry["tool"] for entry in state["legal"]].index("write_instruction")
    offers = state["legal"][index]["choices"]["edit_type"]
    chance.shuffle(offers)
    tools[index]["function"]["parameters"]["properties"]["edit_type"]["enum"] = offers
    asked = HumanMessage([{"type": "text", "text": render("planner_state", state=state).text}, sheet])
    call = RulePlanner().invoke([system, asked]).tool_calls[0]
    return Decision(messages=[system, asked], tools=tools, name=call["name"], arguments=call["args"])


def as_row(decision: Decision) -> dict[str, Any]:
    """A decision as the trainer reads it: OpenAI-style messages, where a picture is its size in pixels."""
    messages = convert_to_openai_messages(decision.messages)
    assert isinstance(messages, list)
    sizes = []
    for part in messages[-1]["content"]:
        if part["type"] == "image_url":
            png = base64.b64decode(part.pop("image_url")["url"].partition(",")[2])
            part["type"] = "image"
            sizes.append(struct.unpack(">II", png[16:24]))  # the header says width and height
    order = next(tool for tool in decision.tools if tool["function"]["name"] == decision.name)["function"]["parameters"]
    arguments = {name: decision.arguments[name] for name in order["properties"]}
    return {
        "messages": messages,
        "tools": decision.tools,
        "sizes": sizes,
        "name": decision.name,
        "arguments": arguments,
    }


def main() -> None:
    """Write traces, one decision a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        decisions = with_reordered(record(Path(folder), arguments.samples, arguments.seed), arguments.seed)
        rows = [json.dumps(as_row(decision)) for decision in decisions]
    arguments.out.write_text("".join(row.replace(folder, "/somewhere") + "\n" for row in rows))


if __name__ == "__main__":
    main()
