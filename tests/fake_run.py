"""A whole run on fakes: synthetic clips, fake models, the real graph, ledger, memory and dataset."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from agent.campaign import Campaign, Limits, Outcome
from agent.context import Models
from agent.leads import Leads
from agent.planner import PlannerModel
from agent.profile import Profile, load_profile
from agent.run_config import RunConfig
from agent.session import Session, open_session
from ditto_models import base, video
from ditto_models.embedded.planner import RulePlanner
from memory.sample import Critique, Sample, Score
from tests import fakes
from tools.critic.axes import MODEL_AXES

FACTS = {
    "lightness": 60.0,
    "lights": 0.0,
    "warmth": 5.0,
    "shadows": 0.1,
    "greenery": 0.5,
    "detail": 5.0,
    "subject_share": 0.2,
    "subject_separation": 30.0,
    "subject_lightness": 50.0,
}
GOOD = 0.9

Values = Callable[[Sample], Mapping[str, float | None]]


class FakeCritic:
    """Scores by a function of the sample; every axis of the profile that it does not name is good."""

    name = "fake-critic"

    def __init__(self, profile: Profile, values: Values) -> None:
        self._profile = profile
        self._values = values

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        return self._critique(self._profile.policy.key_frame_thresholds, {})

    def judge_video(self, sample: Sample) -> Critique:
        return self._critique(self._profile.policy.thresholds, self._values(sample))

    def _critique(self, axes: Mapping[str, float], values: Mapping[str, float | None]) -> Critique:
        measured = [axis for axis in axes if axis not in MODEL_AXES]
        return Critique(scores={axis: Score(value=values.get(axis, GOOD), reason="fake") for axis in measured})


class Silent:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.decided: list[Sample] = []

    def began(self, sample: Sample) -> None: ...

    def stepped(self, sample: Sample, note: str) -> None: ...

    def ended(self, sample: Sample) -> None:
        self.decided.append(sample)


def fake_profile(*overrides: str, name: str = "embedded") -> Profile:
    small = ("clips.frames=9", "clips.max_width=64", "clips.max_height=48", "clips.min_height=16")
    quick = ("clips.checks=[]", "decoder.kind=thread")
    return load_profile(name, (*small, *quick, *overrides))


def fake_models(
    profile: Profile,
    planner: PlannerModel | None = None,
    values: Values = lambda sample: {},
    editor: base.KeyFrameEditor | None = None,
    leads: Leads | None = None,
) -> Models:
    return Models(
        leads=leads or Leads(planner=planner or PlannerModel(chat=RulePlanner(), name="rules")),
        embedder=fakes.FakeEmbedder(),
        masker=fakes.FakeMasker(),
        describer=fakes.FakeDescriber(FACTS),
        editor=editor or fakes.FakeEditor(),
        generator=fakes.FakeGenerator(),
        enhancer=fakes.FakeEnhancer(),
        critic=lambda media, ledger: FakeCritic(profile, values),
    )


def make_clips(folder: Path, count: int = 2, frames: int = 12, height: int = 48) -> Path:
    """Synthetic clips: a bright square that moves over a gradient, another in each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        gradient = np.linspace(40, 200, 64, dtype=np.uint8)[None, None, :, None]
        picture = np.broadcast_to(gradient, (frames, height, 64, 3)).copy()
        for index in range(frames):
            left = 4 + index + number
            picture[index, 12:32, left : left + 16] = (250, (60 + 40 * number) % 256, 20)
        video.write(folder / f"clip{number}.mp4", picture, 25.0)
    return folder


def spoil_clip(path: Path) -> None:
    """Make a file unreadable in such a way that it seems unchanged, as a worn disk does."""
    known = path.stat()
    path.write_bytes(bytes(known.st_size))
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


def run_fake(
    run: Path,
    clips: Path,
    target: int,
    *,
    profile: Profile | None = None,
    models: Models | None = None,
    limits: Limits | None = None,
    prepare: Callable[[Session], None] = lambda session: None,
    accept_changes: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Outcome, list[Sample]]:
    """One session of a campaign; returns its outcome and the samples it decided on, in the order they ended."""
    profile = profile or fake_profile()
    reporter = Silent()
    config = RunConfig(profile_name="embedded", seed=seed, clips=str(clips), profile=profile)
    with open_session(run, config, models or fake_models(profile), 2, say, accept_changes) as session:
        prepare(session)
        campaign = Campaign(session, limits or Limits(target=target), reporter)
        outcome = asyncio.run(campaign.run())
    return outcome, reporter.decided


def campaign_of(session: Session) -> Campaign:
    """The campaign that runs a session: it listens to every event."""
    owners = (getattr(listener, "__self__", None) for listener in session.listeners)
    return next(owner for owner in owners if isinstance(owner, Campaign))
