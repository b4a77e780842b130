"""Whether some part of the picture misses the key frame's colours: what a mean over the whole frame hides.

What each colour should have become is read from a table fitted to the key pair. Means of coarse colour cells will not
do: a grade that bends within a cell makes black trousers look torn beside a dark door.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames, Mask, Masks
from ditto_models.embedded.lut import Lut, fit_lut
from ditto_models.metrics.appearance import lab
from ditto_models.metrics.colour_follow import LEAST_PIXELS, colour_shift, reduced

TILES = (16, 9)
"""Columns and rows of places."""
EVERY = 4
WORST_PLACES, WORST_FRAMES = 1 / 72, 1 / 3
"""Shares that count: a torn patch is small, as a squirrel in a meadow, and comes far from the key frame."""
SUBJECT_SHARE = 0.01
"""A subject smaller than this share of the picture has no table of its own."""


def colour_patches(
    source: Frames, edited: Frames, masks: Masks | None, key_source: Frame, key_edited: Frame, key_mask: Mask | None
) -> float:
    """How far the worst places of the worst frames are from what the key pair did to their colours, in CIE units.

    Beyond what the key pair's own places differ by, for an edit need not treat a colour alike everywhere. Colours that
    the key frame does not have count nowhere. THWC uint8 RGB videos, HWC key frames, masks THW and HW.
    """
    key = _Key(key_source, key_edited, key_mask)
    own = _worst(key.misses(key_source, key_edited, key_mask), WORST_PLACES)
    found = [
        _worst(key.misses(source[index], edited[index], None if masks is None else masks[index]), WORST_PLACES)
        for index in range(0, len(source), EVERY)
    ]
    return max(0.0, _worst(np.array(found), WORST_FRAMES) - own)


class _Key:
    """What a key pair did to its colours, on the subject and off it."""

    def __init__(self, source: Frame, edited: Frame, mask: Mask | None) -> None:
        before, after = reduced(source), reduced(edited).astype(np.float32)
        subject = np.zeros(before.shape[:2], np.float32) if mask is None else reduced(mask)
        self._known = (colour_shift(source, edited, mask).count >= LEAST_PIXELS).astype(np.float32)
        self._subject_lut: Lut | None = None
        if SUBJECT_SHARE < float(subject.mean()) < 1 - SUBJECT_SHARE:
            self._subject_lut = fit_lut(before, after, subject)
            self._lut = fit_lut(before, after, 1 - subject)
        else:
            self._lut = fit_lut(before, after, np.ones_like(subject))

    def misses(self, source: Frame, edited: Frame, mask: Mask | None) -> NDArray[np.float32]:
        """By place, the size of the mean difference from what the pixels' colours should have become."""
        before = reduced(source)
        wanted = self._lut.apply(before)
        if self._subject_lut is not None and mask is not None:
            wanted += reduced(mask)[..., None] * (self._subject_lut.apply(before) - wanted)
        known = self._known[colour_shift(source, edited, mask).cell_HW]
        off = lab(reduced(edited)) - lab(np.clip(np.rint(wanted), 0, 255).astype(np.uint8))
        weight = cv2.resize(known, TILES, interpolation=cv2.INTER_AREA)
        mean = cv2.resize(np.asarray(off * known[..., None], np.float32), TILES, interpolation=cv2.INTER_AREA)
        return np.asarray(np.linalg.norm(mean, axis=2) * (weight > 0.5) / np.maximum(weight, 0.5), dtype=np.float32)


def _worst(values: NDArray[np.floating], share: float) -> float:
    """Mean of the highest share of the values."""
    count = max(1, round(values.size * share))
    return float(np.sort(values, axis=None)[-count:].mean())
