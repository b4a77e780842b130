"""Two sets of samples side by side, as figures: two runs, or two versions of the prompts within one. Pure.

An acceptance is a share of the samples that were decided, with Wilson's interval of 95 % (Wilson 1927); a difference of
two has Newcombe's (1998, his method 10), which is made of both. Samples of one clip are not independent, so the true
intervals are somewhat wider: what these cannot tell apart is not apart.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from memory.outcomes import Outcome

Z = 1.959964
"""Of 95 %, on both sides."""
FEWEST = 10
"""Decided samples on each side below which nothing is said of a difference."""
UNDECIDED = ("pending", "private")
"""No outcome of judging: still under way, or not given to the dataset by its person."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many; its interval is of 95 %, None of none."""

    num: int
    of: int

    @property
    def value(self) -> float | None:
        """From 0 to 1; None of none."""
        return self.num / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's."""
        if not self.of:
            return None
        share, spread = self.num / self.of, Z * Z / self.of
        middle = (share + spread / 2) / (1 + spread)
        half = Z * math.sqrt(share * (1 - share) / self.of + spread / (4 * self.of)) / (1 + spread)
        return max(0.0, middle - half), min(1.0, middle + half)

    def as_json(self) -> dict[str, JsonValue]:
        """For scripts."""
        return {"num": self.num, "of": self.of, "share": self.value, "interval": _listed(self.interval)}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The second share less the first."""

    value: float | None
    interval: tuple[float, float] | None
    too_few: bool

    @property
    def words(self) -> str:
        """What the numbers allow to say."""
        if self.interval is None or self.too_few:
            return f"too few to tell: each side needs {FEWEST} decided samples at least"
        if self.interval[0] > 0:
            return "the second accepts more"
        return "the first accepts more" if self.interval[1] < 0 else "these numbers cannot tell them apart"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis over the samples that were judged on it."""

    mean: float | None
    passed: Share


@dataclass(frozen=True, kw_only=True)
class Side:
    """The figures of one of the two."""

    decisions: Mapping[str, int]
    acceptance: Share
    """Of the decided ones."""
    axes: Mapping[str, Axis]
    reasons: Mapping[str, int]
    edit_types: Mapping[str, Share]
    model_seconds: float
    """Of all samples, those that were not accepted too."""

    @property
    def seconds_per_pair(self) -> float | None:
        """Model seconds that an accepted pair took, what was rejected on the way counted in."""
        return self.model_seconds / self.acceptance.num if self.acceptance.num else None

    def as_json(self) -> dict[str, JsonValue]:
        """For scripts."""
        return {
            "decisions": {**self.decisions},
            "acceptance": self.acceptance.as_json(),
            "axes": {name: {"mean": axis.mean, "passed": axis.passed.as_json()} for name, axis in self.axes.items()},
            "reasons": {**self.reasons},
            "edit_types": {name: share.as_json() for name, share in self.edit_types.items()},
            "model_seconds_per_accepted_pair": self.seconds_per_pair,
        }


@dataclass(frozen=True, kw_only=True)
class Match:
    """A sample of each side that are of one clip, and of one instruction or at least of one edit type."""

    first: Outcome
    second: Outcome
    same_instruction: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sides, and the samples that can be held against each other."""

    first: Side
    second: Side
    difference: Difference
    """Of the acceptances."""
    matches: Sequence[Match]

    @property
    def disagreements(self) -> list[Match]:
        """Where one accepted and the other did not; those of the same instruction first."""
        apart = [one for one in self.matches if (_accepted(one.first), _accepted(one.second)).count(True) == 1]
        return sorted(apart, key=lambda one: not one.same_instruction)

    def as_json(self) -> dict[str, JsonValue]:
        """For scripts."""
        return {
            "first": self.first.as_json(),
            "second": self.second.as_json(),
            "difference": {
                "acceptance": self.difference.value,
                "interval": _listed(self.difference.interval),
                "words": self.difference.words,
            },
            "matched": len(self.matches),
            "disagreements": [
                {
                    "first": one.first.id,
                    "second": one.second.id,
                    "accepted": "first" if _accepted(one.first) else "second",
                    "same_instruction": one.same_instruction,
                }
                for one in self.disagreements
            ],
        }


def compare(first: Iterable[Outcome], second: Iterable[Outcome]) -> Comparison:
    """Hold two sets of samples against each other."""
    ours, theirs = list(first), list(second)
    one, other = side(ours), side(theirs)
    return Comparison(
        first=one,
        second=other,
        difference=difference(one.acceptance, other.acceptance),
        matches=matches([each for each in ours if _decided(each)], [each for each in theirs if _decided(each)]),
    )


def side(found: Sequence[Outcome]) -> Side:
    """The figures of one set."""
    decided = [one for one in found if _decided(one)]
    types: defaultdict[str, list[Outcome]] = defaultdict(list)
    values: defaultdict[str, list[float]] = defaultdict(list)
    failed: Counter[str] = Counter()
    for one in decided:
        if one.edit_type:
            types[one.edit_type].append(one)
        failed.update(one.failed)
        for axis, value in one.scores.items():
            if value is not None:
                values[axis].append(value)
    return Side(
        decisions=dict(sorted(Counter(one.decision for one in found).items())),
        acceptance=_share(decided),
        axes={
            axis: Axis(
                mean=math.fsum(scores) / len(scores), passed=Share(num=len(scores) - failed[axis], of=len(scores))
            )
            for axis, scores in values.items()
        },
        reasons=dict(Counter(reason for one in decided for reason in one.reasons).most_common()),
        edit_types={name: _share(types[name]) for name in sorted(types)},
        model_seconds=math.fsum(one.model_seconds for one in found),
    )


def difference(first: Share, second: Share) -> Difference:
    """The second less the first."""
    too_few = min(first.of, second.of) < FEWEST
    if not (first.interval and second.interval) or first.value is None or second.value is None:
        return Difference(value=None, interval=None, too_few=True)
    (low, high), (other_low, other_high) = first.interval, second.interval
    value = second.value - first.value
    below = math.hypot(second.value - other_low, high - first.value)
    above = math.hypot(other_high - second.value, first.value - low)
    return Difference(value=value, interval=(value - below, value + above), too_few=too_few)


def matches(first: Sequence[Outcome], second: Sequence[Outcome]) -> list[Match]:
    """Each sample with at most one of the other side: of the same clip and words, else of the same clip and type.

    Of several that would do, the earliest of each side.
    """
    found: list[Match] = []
    for same, key in ((True, _of_words), (False, _of_type)):
        taken = {id(one) for match in found for one in (match.first, match.second)}
        there: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for other in second:
            if id(other) not in taken and all(key(other)):
                there[key(other)].append(other)
        for one in first:
            if id(one) not in taken and (waiting := there.get(key(one))):
                found.append(Match(first=one, second=waiting.pop(0), same_instruction=same))
    return found


def _of_words(one: Outcome) -> tuple[str, str]:
    return one.clip_id, one.instruction


def _of_type(one: Outcome) -> tuple[str, str]:
    return one.clip_id, one.edit_type


def _share(decided: Sequence[Outcome]) -> Share:
    return Share(num=sum(map(_accepted, decided)), of=len(decided))


def _accepted(one: Outcome) -> bool:
    return one.decision == "accepted"


def _decided(one: Outcome) -> bool:
    return one.decision not in UNDECIDED


def _listed(interval: tuple[float, float] | None) -> list[JsonValue] | None:
    return [*interval] if interval else None
