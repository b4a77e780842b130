"""What is kept of many judged pairs: counts, means, the worst few, a sample of the accepted. Memory does not grow."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass

from pydantic import JsonValue

from agent.judge.judged import OUTCOMES, Judged

MAX_ACCEPTED = 12
"""Accepted pairs that are shown, drawn at random with a fixed seed."""
MAX_UNREADABLE = 50
"""Unreadable rows that are listed, the first ones; all are counted."""


@dataclass
class Axis:
    """One axis over all pairs that were read."""

    threshold: float
    passed: int = 0
    failed: int = 0
    null: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """Of the values that could be assessed; None where none could."""
        assessed = self.passed + self.failed
        return self.total / assessed if assessed else None

    def as_json(self) -> dict[str, JsonValue]:
        """As `--json` prints it."""
        return {
            "mean": self.mean,
            "threshold": self.threshold,
            "passed": self.passed,
            "failed": self.failed,
            "null": self.null,
        }


class Tally:
    """Fed with one judged pair after another; keeps at most `num_worst` of the worst."""

    def __init__(self, num_worst: int) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.reasons: Counter[str] = Counter()
        self.axes: dict[str, Axis] = {}
        self.unreadable: list[Judged] = []
        self._num_worst = num_worst
        self._worst: list[tuple[float, int, Judged]] = []
        self._accepted: list[tuple[int, Judged]] = []
        self._random = random.Random(0)

    def add(self, judged: Judged) -> None:
        """Count one in."""
        self.counts[judged.decision] += 1
        if judged.decision == "unreadable":
            if len(self.unreadable) < MAX_UNREADABLE:
                self.unreadable.append(judged)
            return
        self.reasons.update(judged.reasons)
        for name, score in judged.scores.items():
            axis = self.axes.setdefault(name, Axis(score.threshold))
            axis.passed += score.passed is True
            axis.failed += score.passed is False
            axis.null += score.value is None
            axis.total += score.value or 0.0
        self._keep_worst(judged)
        self._keep_accepted(judged)

    @property
    def num_judged(self) -> int:
        """Rows so far, unreadable ones among them."""
        return self.counts.total()

    @property
    def worst(self) -> list[Judged]:
        """The pairs with the least margin over a threshold, the worst first."""
        return [judged for _, _, judged in sorted(self._worst, key=lambda kept: (-kept[0], -kept[1]))]

    @property
    def accepted(self) -> list[Judged]:
        """A random few of the accepted, in their order, without those among the worst."""
        shown = {number for _, number, _ in self._worst}
        return [judged for number, judged in sorted(self._accepted, key=lambda kept: kept[0]) if -number not in shown]

    def as_json(self) -> dict[str, JsonValue]:
        """Counts, reasons and axes, as `--json` prints them."""
        return {
            "counts": {**self.counts},
            "reasons": dict(self.reasons.most_common()),
            "axes": {name: axis.as_json() for name, axis in self.axes.items()},
        }

    def _keep_worst(self, judged: Judged) -> None:
        if judged.nearest is None or not self._num_worst:
            return
        heapq.heappush(self._worst, (-judged.nearest[0], -self.num_judged, judged))
        if len(self._worst) > self._num_worst:
            heapq.heappop(self._worst)

    def _keep_accepted(self, judged: Judged) -> None:
        if judged.decision != "accepted":
            return
        if len(self._accepted) < MAX_ACCEPTED:
            self._accepted.append((self.num_judged, judged))
        elif (place := self._random.randrange(self.counts["accepted"])) < MAX_ACCEPTED:
            self._accepted[place] = (self.num_judged, judged)
