"""Features of clips, kept as bytes in numbers of 64 bits, and searched by cosine distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ditto_models.look_index import LookIndex, Rows, Seen


def packed(features_TD: NDArray[np.float32]) -> Seen:
    """What a clip looks like: the mean of its pictures' features, one byte a dimension, in steps of its largest / 127.

    D must be a multiple of 8. Rounding moves a distance by less than .001.
    """
    mean = features_TD.mean(axis=0)
    steps = np.rint(mean * (127 / max(float(np.abs(mean).max()), 1e-12))).astype(np.int8)
    return tuple(int(number) for number in np.frombuffer(steps.tobytes(), ">u8"))


def unpacked(seen: Seen) -> NDArray[np.float32]:
    """The feature as a unit vector."""
    steps = np.frombuffer(np.array(seen, ">u8").tobytes(), np.int8).astype(np.float32)
    return np.asarray(steps / max(float(np.linalg.norm(steps)), 1e-12), np.float32)


class FeatureIndex(LookIndex):
    """Features searched by cosine distance. A hundred thousand of 768 dimensions take 300 MB."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def told(self, distance: float) -> str:
        """In cosine distance."""
        return f"cosine distance {distance:.3f}"

    def _row(self, seen: Seen) -> Rows:
        return unpacked(seen)

    def _distances(self, known: Rows, wanted: Rows) -> NDArray[np.float64]:
        return np.asarray(1 - known @ wanted, np.float64)
