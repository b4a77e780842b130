"""A colour lookup table fitted to one pair of pictures, and applied fast to others.

The table is a 9 x 9 x 9 lattice over R, G, B with trilinear interpolation between its points. It is fitted as an
offset from the best affine map, with second differences held small (the regularised lattice regression of Garcia and
Gupta, "Lattice Regression", NeurIPS 2009), so that colours absent from the pair still get a sensible answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ditto_models.base import Frame
from ditto_models.embedded.flow import sample

Picture = NDArray[np.float32]
"""HWC float32 RGB, 0..255, not clipped."""
Weights = NDArray[np.float32]
LATTICE = 9
TO_POSITION = np.array([[0, (LATTICE - 1) / 255, LATTICE], [(LATTICE - 1) / 255, 0, 0]], dtype=np.float32)
"""From R, G, B levels to x, y in the picture of a table."""
COLOURS = 32
"""Colours are pooled into 32 x 32 x 32 cells before the fit: a cell keeps its mean colour, mean target and weight."""


class LutConfig(BaseModel):
    """How stiff a fitted table is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoothness: float = 2e-3
    """Cost of bending, as a share of all pixel weight."""
    pull: float = 1e-5
    """Cost of leaving the affine map, as a share of all pixel weight."""
    least_share: float = 0.005
    """Pixel weight that the costs assume at least, as a share of the picture."""


@dataclass(frozen=True, kw_only=True)
class Lut:
    """A table as a picture: its slices of constant blue side by side, each R down and G across.

    There is a slice for every level of blue, since then one bilinear reading of the picture is the trilinear one.
    """

    slices_RBGC: NDArray[np.float32]

    def apply(self, frame: Frame) -> Picture:
        """The mapped colours of HWC uint8 RGB, HWC float32, not clipped."""
        target = np.asarray(cv2.transform(frame.astype(np.float32), TO_POSITION), dtype=np.float32)
        return sample(self.slices_RBGC, target)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Occupied colour cells of a pair: N of them."""

    colours_NC: NDArray[np.float64]
    targets_NC: NDArray[np.float64]
    weight_N: NDArray[np.float64]


def fit_lut(before: Frame, after: Picture, weights: Weights, config: LutConfig | None = None) -> Lut:
    """The table that best maps `before` (HWC uint8 RGB) to `after` (HWC float32), pixels counted by HW `weights`.

    With no weight at all it is the identity.
    """
    config = config or LutConfig()
    pool = _pooled(before, after, weights)
    colours_NC, targets_NC, weight_N = pool.colours_NC, pool.targets_NC, pool.weight_N
    if not len(weight_N):
        return Lut(slices_RBGC=_as_slices(_lattice_points()))
    # A few stray pixels must not bend the whole table: below this share the map stays near a plain shift.
    total = max(float(weight_N.sum()), config.least_share * weights.size)
    affine = _fit_affine(colours_NC, targets_NC, weight_N, total)
    missing_NC = targets_NC - _affine(affine, colours_NC)
    normal, right = _normal_equations(colours_NC, missing_NC, weight_N)
    normal += total * (config.smoothness * _bending() + config.pull * np.eye(LATTICE**3))
    offset = np.linalg.solve(normal, right)
    points = _lattice_points()
    return Lut(slices_RBGC=_as_slices(_affine(affine, points) + offset))


def _pooled(before: Frame, after: Picture, weights: Weights) -> Pool:
    """Mean colour, mean target and weight of each occupied colour cell."""
    shift = 8 - COLOURS.bit_length() + 1
    red, green, blue = (channel.astype(np.int32).ravel() >> shift for channel in cv2.split(before))
    cells, pixel_cell = np.unique((red * COLOURS + green) * COLOURS + blue, return_inverse=True)
    weight = weights.ravel().astype(np.float64)

    def pooled(values: NDArray[np.uint8] | Picture) -> NDArray[np.float64]:
        channels = [np.bincount(pixel_cell, weight * values[..., c].ravel(), len(cells)) for c in range(3)]
        return np.stack(channels, axis=1)

    cell_weight = np.asarray(np.bincount(pixel_cell, weight, len(cells)), dtype=np.float64)
    used = cell_weight > 1e-6
    divide = cell_weight[used, None]
    return Pool(
        colours_NC=pooled(before)[used] / divide,
        targets_NC=pooled(after)[used] / divide,
        weight_N=cell_weight[used],
    )


def _fit_affine(
    colours_NC: NDArray[np.float64], targets_NC: NDArray[np.float64], weight_N: NDArray[np.float64], total: float
) -> NDArray[np.float64]:
    """4x3 matrix of the map from colours with a 1 appended; leans to a plain shift where colours do not span."""
    inputs = np.column_stack([colours_NC / 255, np.ones(len(colours_NC))])
    weighted = inputs * weight_N[:, None]
    change = targets_NC - colours_NC
    lean = 2e-3 * total * np.diag([1.0, 1.0, 1.0, 1e-3])
    solved = np.linalg.solve(inputs.T @ weighted + lean, weighted.T @ change)
    solved[:3] += 255 * np.eye(3)
    return np.asarray(solved)


def _affine(matrix: NDArray[np.float64], colours_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(colours_NC / 255 @ matrix[:3] + matrix[3])


def _normal_equations(
    colours_NC: NDArray[np.float64], missing_NC: NDArray[np.float64], weight_N: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    position = colours_NC / 255 * (LATTICE - 1)
    lower = np.minimum(np.floor(position), LATTICE - 2).astype(np.int64)
    part = position - lower
    size = LATTICE**3
    corners = list(product((0, 1), repeat=3))
    index = [((lower + corner) * (LATTICE**2, LATTICE, 1)).sum(axis=1) for corner in corners]
    share = [np.prod(np.where(corner, part, 1 - part), axis=1) for corner in corners]
    normal = np.zeros(size * size)
    right = np.zeros((size, 3))
    for i, share_i in zip(index, share, strict=True):
        for j, share_j in zip(index, share, strict=True):
            normal += np.bincount(i * size + j, weight_N * share_i * share_j, size * size)
        for c in range(3):
            right[:, c] += np.bincount(i, weight_N * share_i * missing_NC[:, c], size)
    return normal.reshape(size, size), right


def _bending() -> NDArray[np.float64]:
    """Sum of squared second differences along each axis, as a quadratic form over lattice points."""
    second = np.diff(np.eye(LATTICE), n=2, axis=0)
    along = second.T @ second
    flat = np.eye(LATTICE)
    axes = (
        np.kron(np.kron(along, flat), flat),
        np.kron(np.kron(flat, along), flat),
        np.kron(np.kron(flat, flat), along),
    )
    return np.asarray(sum(axes)) / LATTICE**2


def _lattice_points() -> NDArray[np.float64]:
    steps = np.linspace(0, 255, LATTICE)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)


def _as_slices(table: NDArray[np.float64]) -> NDArray[np.float32]:
    cube_RGBC = table.reshape(LATTICE, LATTICE, LATTICE, 3)
    blue = np.linspace(0, LATTICE - 1, 256)
    lower = np.minimum(np.floor(blue), LATTICE - 2).astype(np.int64)
    part = (blue - lower)[:, None]
    every_blue = cube_RGBC[:, :, lower] * (1 - part) + cube_RGBC[:, :, lower + 1] * part
    side_by_side = every_blue.transpose(0, 2, 1, 3).reshape(LATTICE, 256 * LATTICE, 3)
    return np.ascontiguousarray(side_by_side, dtype=np.float32)
