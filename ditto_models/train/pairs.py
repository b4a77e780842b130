"""What the trainer knows of an accepted pair, and what it says of one that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


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


class UnusablePair(Exception):
    """A pair whose files are missing, broken or unfit; it is skipped and named, the others go on."""

    def __init__(self, pair_id: str, problem: str) -> None:
        super().__init__(f"pair {pair_id!r}: {problem}")
        self.pair_id = pair_id
        self.problem = problem
