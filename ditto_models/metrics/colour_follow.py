"""Whether every frame's colours changed as the key frame's did: shift of each source colour, frame against key."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames, Mask, Masks
from ditto_models.embedded.flow import Pixels
from ditto_models.metrics.appearance import lab

WIDTH_PIXELS = 160
CELLS = 6
"""Colours are compared in 6 x 6 x 6 cells of RGB, on the subject and off it."""
LEAST_PIXELS = 12
SEEN = 2.0
"""CIE units below which a shift is not seen."""
EVERY = 3


@dataclass(frozen=True, kw_only=True)
class ColourShift:
    """What a pair did to colours, at reduced size."""

    cell_HW: NDArray[np.int64]
    """The colour cell of each pixel of the source."""
    moved_HWC: NDArray[np.float32]
    """Each pixel's L*a*b*, edited less source."""
    mean: NDArray[np.float64]
    """Of each cell, (cells, 3)."""
    count: NDArray[np.float64]
    """Pixels of each cell."""


@dataclass(frozen=True, kw_only=True)
class ColourFollow:
    """Differences between the colour shift of the frames and that of the key pair, in CIE units."""

    key_shift: float
    """Mean size of the key pair's own shift, where it is seen; 0 where no colour shifted."""
    mean_miss: float
    worst_miss: float
    """Of the frame that misses most."""


def colour_follow(
    source: Frames, edited: Frames, masks: Masks | None, key_source: Frame, key_edited: Frame, key_mask: Mask | None
) -> ColourFollow:
    """How far the colours of THWC uint8 RGB `edited` stray from what the key pair did to the same colours."""
    key = colour_shift(key_source, key_edited, key_mask)
    known = key.count >= LEAST_PIXELS
    misses = []
    for index in range(0, len(source), EVERY):
        one = colour_shift(source[index], edited[index], None if masks is None else masks[index])
        seen = (_size(one.mean) > SEEN) | (_size(key.mean) > SEEN)
        weights = np.where(seen & known & (one.count >= LEAST_PIXELS), one.count, 0.0)
        misses.append(_mean(_size(one.mean - key.mean), weights))
    return ColourFollow(
        key_shift=_mean(_size(key.mean), np.where(_size(key.mean) > SEEN, key.count, 0.0)),
        mean_miss=float(np.mean(misses)),
        worst_miss=float(np.max(misses)),
    )


def colour_shift(source: Frame, edited: Frame, mask: Mask | None) -> ColourShift:
    """What became of each colour of HWC uint8 RGB, on the subject and off it where there is a mask."""
    before, after = reduced(source), reduced(edited)
    red, green, blue = (channel.astype(np.int64) * CELLS // 256 for channel in cv2.split(before))
    cell = (red * CELLS + green) * CELLS + blue
    if mask is not None:
        cell += CELLS**3 * (reduced(mask) > 0.5)
    number = 2 * CELLS**3
    count = np.bincount(cell.ravel(), minlength=number).astype(np.float64)
    moved = lab(after) - lab(before)
    sums = [np.bincount(cell.ravel(), moved[..., c].ravel(), number) for c in range(3)]
    mean = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
    return ColourShift(cell_HW=cell, moved_HWC=moved, mean=mean, count=count)


def reduced(picture: Pixels) -> Pixels:
    """A frame or a mask at the size at which colours are compared."""
    height, width = picture.shape[:2]
    size = (WIDTH_PIXELS, max(8, round(height * WIDTH_PIXELS / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=picture.dtype)


def _size(shift: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(shift, axis=1))


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total > 0 else 0.0
