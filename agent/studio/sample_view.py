"""What the page of one sample shows, put together from its events; nothing here reads a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.studio.proxy import Pair, pair_of
from agent.trace import judged, needed, spoken, why
from agent.trace_steps import Step, steps
from memory.ledger import Row
from memory.sample import AxisVerdict, Event, Sample, Verdict
from tools.critic.axes import MODEL_AXES

RULES = {
    "gate": "a gate failed: gates each decide alone, whatever the other axes say",
    "threshold": "an axis that counts fell short of its threshold",
    "unscored": "nothing failed, but an axis that the instruction needs could not be assessed",
    "all_passed": "every axis that counts reached its threshold",
}
"""What each rule of a verdict says."""

NEEDS = {
    "all": "each of {axes} must be judged and pass",
    "any_judged": "at least one of {axes} must be judged, and all that were must pass",
    "measured": "of {axes} only what was measured counts",
    "model": "of {axes} only what a model was asked for counts",
    "model_at_least": "of {axes} what a model was asked for must pass, and what was measured too where it could be",
}
"""How axes that judge the same thing count together."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the sample took."""

    model_seconds: float
    gpu_seconds: float
    tokens: int
    wall_seconds: float
    """From its first step to its last before it was decided."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One edited key frame."""

    picture: str
    strength: float
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a verdict."""

    name: str
    score: AxisVerdict
    needed: str
    """The threshold, as people read it."""
    judge: str
    """Who judged it; empty where nobody else judged either."""
    combined: str
    """How it counts together with others, in words; empty where it counts by itself."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict with its axes, those that failed first."""

    name: str
    verdict: Verdict
    rule: str
    axes: tuple[Axis, ...]
    is_folded: bool
    """Whether it is only shown on demand: it passed, and another one decided."""


@dataclass(frozen=True, kw_only=True)
class SampleView:
    """The page."""

    row: Row
    sentence: str
    steps: tuple[Step, ...]
    cost: Cost
    pair: Pair | None
    videos: tuple[tuple[int, str], ...]
    """Every edited video there was: the step that made it, and the artifact."""
    candidates: tuple[Candidate, ...]
    verdicts: tuple[Judged, ...]
    words: tuple[tuple[str, AxisVerdict], ...]
    """What a model said of the axes that it was asked for."""
    had_model: bool
    """Whether a model judged at all."""

    @property
    def sample(self) -> Sample:
        """The sample."""
        return self.row.sample


def view(row: Row, events: Sequence[Event], edited: str | None = None) -> SampleView:
    """The page of a sample; `edited` names another video of it to play."""
    sample, timeline = row.sample, steps(events)
    verdicts = [("video", sample.verdict), ("key frame", sample.key_frame_verdict)]
    last = judged(sample)
    words = [(axis, score) for axis, score in last.scores.items() if axis in MODEL_AXES] if last else []
    return SampleView(
        row=row,
        sentence=why(sample, events),
        steps=timeline,
        cost=_cost(sample, events),
        pair=pair_of(sample, edited) if sample.artifacts == "kept" else None,
        videos=_videos(timeline),
        candidates=_candidates(sample),
        verdicts=tuple(_judged(name, verdict, verdict is not last) for name, verdict in verdicts if verdict),
        words=tuple((axis, score) for axis, score in words if score.value is not None),
        had_model=bool(words),
    )


def _cost(sample: Sample, events: Sequence[Event]) -> Cost:
    own = [event for event in events if event.tool not in ("override", "thin", "drop")]
    moments = [datetime.fromisoformat(event.at).timestamp() for event in own]
    wall = moments[-1] - moments[0] + own[0].seconds if own else 0.0
    return Cost(
        model_seconds=sample.model_seconds,
        gpu_seconds=sample.gpu_seconds,
        tokens=sum(event.tokens or 0 for event in events),
        wall_seconds=wall,
    )


def _videos(timeline: Sequence[Step]) -> tuple[tuple[int, str], ...]:
    found: dict[str, int] = {}
    for step in timeline:
        edit = step.event.result.get("edit")
        if isinstance(edit, dict) and edit.get("video"):
            found.setdefault(str(edit["video"]), step.number)
    return tuple((number, video) for video, number in found.items())


def _candidates(sample: Sample) -> tuple[Candidate, ...]:
    frame = sample.key_frame
    if frame is None:
        return ()
    pairs = zip(frame.candidates, frame.strengths, strict=True)
    # Two candidates may be the same picture; only one was chosen.
    chosen = frame.candidates.index(frame.chosen) if frame.chosen in frame.candidates else -1
    return tuple(
        Candidate(picture=picture, strength=strength, chosen=place == chosen)
        for place, (picture, strength) in enumerate(pairs)
    )


def _judged(name: str, verdict: Verdict, is_earlier: bool) -> Judged:
    order = {False: 0, None: 1, True: 2}
    scores = sorted(verdict.scores.items(), key=lambda item: order[item[1].passed] if item[1].counted else 3)
    had_model = any(axis in MODEL_AXES for axis in verdict.scores)
    axes = [
        Axis(
            name=axis,
            score=score,
            needed=needed(score),
            judge=_judge(axis) if had_model else "",
            combined=_combined(score.combined),
        )
        for axis, score in scores
    ]
    return Judged(
        name=name,
        verdict=verdict,
        rule=RULES[verdict.rule],
        axes=tuple(axes),
        is_folded=is_earlier and verdict.decision == "accepted",
    )


def _judge(axis: str) -> str:
    return "asked of a model" if axis in MODEL_AXES else "measured"


def _combined(said: str) -> str:
    need, _, axes = said.partition(" of ")
    return NEEDS[need].format(axes=spoken(axes)) if need in NEEDS else said
