"""Instructions as points of a plane: those that say like things lie near each other. Pure, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.diversity import nearest


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A projection of vectors."""

    points: NDArray[np.float32]
    """N2, within -1..1."""
    explained: float
    """Share of the vectors' variance that the plane keeps, 0..1."""
    similarity: float | None
    """Mean cosine of each vector with its nearest other; None of fewer than two."""


def plane_of(vectors: NDArray[np.float32]) -> Plane:
    """Project unit vectors ND on the two directions in which they differ most (principal components).

    The same vectors give the same picture: each axis is turned so that its largest weight is positive.
    """
    number = len(vectors)
    points = np.zeros((number, 2), np.float32)
    if number < 2:
        return Plane(points=points, explained=1.0, similarity=None)
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    kept = directions[:2]
    kept = kept * np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])[:, None]
    points[:, : len(kept)] = centred @ kept.T
    points /= max(float(np.abs(points).max()), 1e-9)
    variance = sizes.astype(np.float64) ** 2
    similar = nearest(lambda rows: 1 - vectors[rows] @ vectors.T, number)
    return Plane(
        points=points,
        explained=float(variance[:2].sum() / max(float(variance.sum()), 1e-12)),
        similarity=float(1 - similar.mean()),
    )
