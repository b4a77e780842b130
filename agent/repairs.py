"""Repairs that worked: which change, at which stage, mended which axis in samples that were accepted in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import JsonValue

from memory.sample import Diagnosis, Sample

OFFERED = 5


class Repairs:
    """Counts of the diagnoses of accepted samples, offered to like failures."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        for sample in samples:
            self.note(sample)

    def note(self, sample: Sample) -> None:
        """Take in a sample that was accepted."""
        self._counts.update(_key(diagnosis) for diagnosis in sample.diagnoses)

    def offered(self) -> list[JsonValue]:
        """The most frequent ones, for the planner's state block."""
        return [
            {"axis": axis, "stage": stage, "change": change, "times": times}
            for (axis, stage, change), times in self._counts.most_common(OFFERED)
        ]


def _key(diagnosis: Diagnosis) -> tuple[str, str, str]:
    return diagnosis.axis, diagnosis.stage, diagnosis.change
