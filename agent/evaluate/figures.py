"""From scored pairs to figures: means by edit type, each with the interval that a bootstrap over sources gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from agent.judge.judged import Judged
from agent.judge.pair_verdict import WITHOUT_KEY_FRAME
from memory.sample import AxisVerdict
from tools.critic.axes import MODEL_AXES, SAFETY
from tools.critic.votes import LEAST, MOST

PASSED: Mapping[str, float] = {"accepted": 1.0, "rejected": 0.0}
"""Of a decision; none of one that was not made."""
RESAMPLES = 2000
CHUNK = 100
"""Resamples at once, so that many sources do not fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One judged pair, and what CLIP says of it."""

    judged: Judged
    edit_type: str
    group: str
    """Pairs of one source share it."""
    reference: str = ""
    """Path of the dataset's own edit where another one was judged; else empty."""
    clip_t: float | None = None
    clip_f: float | None = None
    clip_text: str = ""
    """What the frames were held against: target, instruction, or nothing."""

    @property
    def passed(self) -> float | None:
        """1 of an accepted pair, 0 of a rejected one; None where it could not have been accepted.

        So it is where an axis that the pair needs could not be assessed, though another one rejects it: those that none
        rejects are unscored, and shares of the rest would be 0 whatever the editor.
        """
        if any(score.passed is None and score.counted for score in self._needed()):
            return None
        return PASSED.get(self.judged.decision)

    def _needed(self) -> list[AxisVerdict]:
        return [score for axis, score in self.judged.scores.items() if axis not in WITHOUT_KEY_FRAME]

    @property
    def vlm(self) -> float | None:
        """The mean of what the model said, on its own scale from 1 to 10, without safety; None where it said nothing.

        Preservation, motion and quality are worth no more than the instruction, as tools/critic/votes.py has it.
        """
        values = [self._value(axis) for axis in MODEL_AXES if axis != SAFETY]
        told = [value for value in values if value is not None]
        return LEAST + (MOST - LEAST) * sum(told) / len(told) if len(told) == len(values) else None

    def _value(self, axis: str) -> float | None:
        score = self.judged.scores.get(axis)
        return score.value if score else None

    def figures(self) -> dict[str, float | None]:
        """All that is averaged, by name; axes as `axes.NAME`."""
        axes = {f"axes.{axis}": score.value for axis, score in self.judged.scores.items()}
        return {"passed": self.passed, "clip_t": self.clip_t, "clip_f": self.clip_f, "vlm": self.vlm, **axes}

    def as_json(self) -> dict[str, JsonValue]:
        """As `--json` prints it."""
        return {
            **self.judged.as_json(),
            "edit_type": self.edit_type,
            "reference": self.reference or None,
            "passed": self.passed,
            "clip_t": self.clip_t,
            "clip_f": self.clip_f,
            "vlm": self.vlm,
        }


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over pairs; None where no pair has the value."""

    mean: float | None
    interval: tuple[float, float] | None
    """Of 95 %; None of fewer than two sources."""
    num: int
    """Pairs that have the value."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is said of some pairs together."""

    pairs: int
    outcomes: dict[str, int]
    figures: dict[str, Figure]

    def as_json(self) -> dict[str, JsonValue]:
        """As `--json` prints it."""
        told = {"pairs": self.pairs, "decided": self.figures["passed"].num}
        return {**told, "outcomes": {**self.outcomes}, **figures_json(self.figures)}


def figures_json(figures: Mapping[str, Figure]) -> dict[str, JsonValue]:
    """Means by name, those of axes together, and their intervals in the same way."""
    means = {name: figure.mean for name, figure in figures.items()}
    intervals = {name: figure.interval and [*figure.interval] for name, figure in figures.items()}
    return {**_nested(means), "intervals": _nested(intervals)}


def _nested(values: dict[str, float | None] | dict[str, list[float] | None]) -> dict[str, JsonValue]:
    axes: dict[str, JsonValue] = {}
    found: dict[str, JsonValue] = {}
    for name, value in values.items():
        of_axis = name.startswith("axes.")
        (axes if of_axis else found)[name.removeprefix("axes.")] = value  # type: ignore[assignment]
    return found | {"axes": axes}


def summary(pairs: Iterable[Scored]) -> Summary:
    """Figures over these pairs. A pair counts for those that could be measured of it, and for no other."""
    pairs = list(pairs)
    each = [(scored.group, scored.figures()) for scored in pairs]
    outcomes = Counter[str](scored.judged.decision for scored in pairs)
    return Summary(pairs=len(pairs), outcomes=dict(outcomes), figures=averaged(each))


def averaged(each: Sequence[tuple[str, Mapping[str, float | None]]]) -> dict[str, Figure]:
    """Every figure over pairs, given as the group of each and what it has."""
    names = dict.fromkeys(("passed", "clip_t", "clip_f", "vlm"))
    names |= dict.fromkeys(name for _, figures in each for name in figures)
    return {name: _figure([(group, values.get(name)) for group, values in each]) for name in names}


def by_edit_type(pairs: Iterable[Scored]) -> dict[str, Summary]:
    """The same for each edit type, by name."""
    found: dict[str, list[Scored]] = {}
    for scored in pairs:
        found.setdefault(scored.edit_type, []).append(scored)
    return {edit_type: summary(found[edit_type]) for edit_type in sorted(found)}


def _figure(values: Sequence[tuple[str, float | None]]) -> Figure:
    there = [(group, value) for group, value in values if value is not None]
    if not there:
        return Figure(mean=None, interval=None, num=0)
    mean = sum(value for _, value in there) / len(there)
    return Figure(mean=mean, interval=interval([v for _, v in there], [g for g, _ in there]), num=len(there))


def interval(values: Sequence[float], groups: Sequence[str]) -> tuple[float, float] | None:
    """The 95 % percentile interval of the mean, by 2,000 resamples of whole groups with a fixed seed.

    Groups and not values are drawn (the cluster bootstrap, Field and Welsh 2007): five edits of one clip succeed or
    fail together, and would pass for five trials. None of a single group, which says nothing of others.
    """
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    if len(places) < 2:
        return None
    sums, counts = np.zeros(len(places)), np.zeros(len(places))
    for value, group in zip(values, groups, strict=True):
        sums[places[group]] += value
        counts[places[group]] += 1
    random = np.random.default_rng(0)
    means: list[float] = []
    for _ in range(RESAMPLES // CHUNK):
        drawn = random.integers(0, len(places), (CHUNK, len(places)))
        means += (sums[drawn].sum(1) / counts[drawn].sum(1)).tolist()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
