"""What the trainer knows of an accepted pair, and what it says of one that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ditto_models.gpu.buckets import Bucket


@dataclass(frozen=True, kw_only=True)
class TrainingPair:
    """One line of a dataset's metadata, with paths that can be opened."""

    id: str
    source: Path
    edited: Path
    key_frame: Path
    """The edited key frame, PNG."""
    instruction: str
    edit_type: str
    scope: Literal["global", "local"]
    split: Literal["train", "validation", "test"]
    scores: Mapping[str, float | None]
    frames: int
    width: int
    height: int
    num_bytes: tuple[int, int, int] | None = None
    """Of source, edited video and key frame when they were frozen; None where nobody froze them."""

    @property
    def files(self) -> dict[str, Path]:
        """Its files by what they are, in the order of `num_bytes`."""
        return {"source": self.source, "edited": self.edited, "key_frame": self.key_frame}

    def with_files(self, files: Mapping[str, Path]) -> TrainingPair:
        """The same pair with its files elsewhere."""
        return replace(self, source=files["source"], edited=files["edited"], key_frame=files["key_frame"])


PairInBucket = tuple[TrainingPair, Bucket]
"""A pair, and the geometry that it is trained at."""


class UnusablePair(Exception):
    """A pair whose files are missing, broken or unfit; it is skipped and named, the others go on."""

    def __init__(self, pair_id: str, problem: str) -> None:
        super().__init__(f"pair {pair_id!r}: {problem}")
        self.pair_id = pair_id
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.pair_id, self.problem)
