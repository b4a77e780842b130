"""Which pairs are easy to learn from: by the kind of their edit and by the critic (difficulty.yaml).

A pair with high scores shows its edit and keeps the rest of its source, so there is little else to learn from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.train.pairs import TrainingPair
from ditto_models.yaml_text import from_yaml

_FILE = Path(__file__).parent / "difficulty.yaml"


class Difficulty(BaseModel):
    """How hard pairs are: 0 is easy, 1 hard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    other: float = Field(ge=0, le=1)
    """Of an edit type that is not named."""
    edit_types: dict[str, float]
    """Of those that are."""
    axes: tuple[str, ...]
    """Of the critic; the higher a pair scores on them, the easier."""
    share_of_edit_type: float = Field(ge=0, le=1)
    """What the edit type counts; the scores count the rest."""

    def of(self, pairs: Sequence[TrainingPair]) -> NDArray[np.float64]:
        """The difficulty of each pair, of those of one dataset.

        An axis that a pair was not judged on counts as the mean of those that were; where nothing was judged, the edit
        type decides alone.
        """
        types = np.array([self.edit_types.get(pair.edit_type, self.other) for pair in pairs])
        scores = np.array([[pair.scores.get(axis) for axis in self.axes] for pair in pairs], np.float64)
        scores = scores[:, ~np.isnan(scores).all(axis=0)]
        if not scores.size:
            return self.share_of_edit_type * types
        scores = np.where(np.isnan(scores), np.nanmean(scores, axis=0), scores)
        hardness: NDArray[np.float64] = 1 - scores.mean(axis=1)
        return self.share_of_edit_type * types + (1 - self.share_of_edit_type) * hardness


def easiest_first(pairs: Sequence[TrainingPair]) -> NDArray[np.int64]:
    """The places of pairs from the easiest to the hardest; equally hard ones as they stand."""
    difficulty = Difficulty.model_validate(from_yaml(_FILE.read_text()))
    return np.argsort(difficulty.of(pairs), kind="stable").astype(np.int64)
