"""From a measured figure to a score: 1 is good, 0.5 the border of what a person accepts, 0 bad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Three figures of one measure, rising or falling; between them scores are linear."""

    good: float
    border: float
    bad: float

    def grade(self, figure: float) -> float:
        """The score of a figure, 0..1."""
        figures, scores = (self.good, self.border, self.bad), (1.0, 0.5, 0.0)
        if self.good > self.bad:
            figures, scores = figures[::-1], scores[::-1]
        return float(np.interp(figure, figures, scores))


@dataclass(frozen=True, kw_only=True)
class Graded:
    """One figure's score, and what it says in words."""

    value: float
    reason: str


def weakest(graded: list[Graded]) -> Graded:
    """The one that scores least: a chain is as good as its weakest link."""
    return min(graded, key=lambda one: one.value)
