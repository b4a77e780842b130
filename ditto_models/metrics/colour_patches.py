"""Whether some part of the picture misses the key frame's colours: what a mean over the whole frame hides."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames, Mask, Masks
from ditto_models.metrics.colour_follow import LEAST_PIXELS, ColourShift, colour_shift

TILES = (16, 9)
"""Columns and rows of places."""
EVERY = 4
WORST_PLACES, WORST_FRAMES = 1 / 72, 1 / 3
"""Shares that count: a torn patch is small, as a squirrel in a meadow, and comes far from the key frame."""


def colour_patches(
    source: Frames, edited: Frames, masks: Masks | None, key_source: Frame, key_edited: Frame, key_mask: Mask | None
) -> float:
    """How far the worst places of the worst frames are from what the key pair did to their colours, in CIE units.

    Beyond what the key pair's own places differ by, for an edit need not treat a colour alike everywhere. Colours that
    the key frame does not have count nowhere. THWC uint8 RGB videos, HWC key frames, masks THW and HW.
    """
    key = colour_shift(key_source, key_edited, key_mask)
    own = _worst(_misses(key, key), WORST_PLACES)
    found = []
    for index in range(0, len(source), EVERY):
        shift = colour_shift(source[index], edited[index], None if masks is None else masks[index])
        found.append(_worst(_misses(shift, key), WORST_PLACES))
    return max(0.0, _worst(np.array(found), WORST_FRAMES) - own)


def _worst(values: NDArray[np.floating], share: float) -> float:
    """Mean of the highest share of the values."""
    count = max(1, round(values.size * share))
    return float(np.sort(values, axis=None)[-count:].mean())


def _misses(shift: ColourShift, key: ColourShift) -> NDArray[np.float32]:
    """By place, the size of the mean difference between each pixel's shift and the key pair's of its colour."""
    known = (key.count >= LEAST_PIXELS).astype(np.float32)[shift.cell_HW]
    off = (shift.moved_HWC - key.mean.astype(np.float32)[shift.cell_HW]) * known[..., None]
    weight = cv2.resize(known, TILES, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(np.asarray(off, dtype=np.float32), TILES, interpolation=cv2.INTER_AREA)
    return np.asarray(np.linalg.norm(mean, axis=2) * (weight > 0.5) / np.maximum(weight, 0.5), dtype=np.float32)
