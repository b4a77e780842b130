"""One judged pair of many: its decision, its scores, how near it came to failing, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from memory.sample import AxisVerdict

Outcome = Literal["accepted", "rejected", "unscored", "unreadable"]
OUTCOMES: tuple[Outcome, ...] = ("accepted", "rejected", "unscored", "unreadable")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Frames of source and edited video at the same moments, each a JPEG."""

    source: list[bytes]
    edited: list[bytes]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came of one row. Of an unreadable one `reasons` holds what is wrong with it, else the axes that decided."""

    id: str
    source: str
    edited: str
    instruction: str
    decision: Outcome
    reasons: list[str]
    scores: dict[str, AxisVerdict] = field(default_factory=dict)
    sheet: Sheet | None = None

    @property
    def nearest(self) -> tuple[float, str] | None:
        """The least margin over a threshold that counts, and its axis; below 0 where it failed. None without any."""
        margins = [
            (score.value - score.threshold, axis)
            for axis, score in self.scores.items()
            if score.value is not None and score.counted
        ]
        return min(margins, default=None)

    def as_json(self) -> dict[str, JsonValue]:
        """As `--json` prints it."""
        return {
            "id": self.id,
            "source": self.source,
            "edited": self.edited,
            "instruction": self.instruction,
            "decision": self.decision,
            "reasons": [*self.reasons],
            "scores": {axis: score.model_dump(mode="json") for axis, score in self.scores.items()},
        }
