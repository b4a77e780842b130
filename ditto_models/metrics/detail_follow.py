"""Whether the key frame's brush work or smoothness lasts through the clip, or fades away from the key frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames
from ditto_models.metrics.appearance import detail_map, fine_detail

EVERY = 4
UNSEEN_LEVELS = 0.5
"""Fine detail that no one sees, in grey levels, added to both sides of a ratio."""
TILES = (8, 5)
"""Columns and rows of places compared with the key frame's."""
WORST_THIRD = 3
SEEN_GAIN = 0.3
"""Change of fine detail, as a logarithm, added below the line, so that a faint one is not judged by noise."""


def detail_miss(source: Frames, edited: Frames, key_source: Frame, key_edited: Frame) -> float:
    """Mean factor by which fine detail, edited over source, is off the key pair's: 1 where it lasts, 2 twice or half.

    Videos THWC uint8 RGB, from every fourth frame; key frames HWC.
    """
    wanted = _gain(key_source, key_edited)
    pairs = zip(source[::EVERY], edited[::EVERY], strict=True)
    return float(np.exp(np.mean([abs(_gain(before, after) - wanted) for before, after in pairs])))


def patchiness(
    source: Frames, edited: Frames, key_source: Frame, key_edited: Frame, frames_part: int = WORST_THIRD
) -> float:
    """How far the worst quarter of the places lacks the key frame's treatment, in the worst 1/frames_part of frames.

    An edit of colour alone changes contrast more where there is more of it, and what moves takes that along: of such
    an edit only the mean of all frames is fair, `frames_part` 1.
    As a share of what the key frame did to fine detail: 0 treated alike, about 1 untouched. Input as in `detail_miss`.
    """
    wanted = _gains(key_source, key_edited)
    pairs = zip(source[::EVERY], edited[::EVERY], strict=True)
    misses = [_most(np.abs(_gains(before, after) - wanted), 4) for before, after in pairs]
    return _most(np.array(misses, dtype=np.float32), frames_part) / (_most(np.abs(wanted), 2) + SEEN_GAIN)


def _most(values: NDArray[np.float32], part: int) -> float:
    """Mean of the highest 1/part of the values."""
    return float(np.sort(values, axis=None)[-max(1, values.size // part) :].mean())


def _gains(source: Frame, edited: Frame) -> NDArray[np.float32]:
    """Logarithm of fine detail, edited over source, by tile."""
    before, after = (cv2.resize(detail_map(frame), TILES, interpolation=cv2.INTER_AREA) for frame in (source, edited))
    return np.asarray(np.log((after + UNSEEN_LEVELS) / (before + UNSEEN_LEVELS)), dtype=np.float32)


def _gain(source: Frame, edited: Frame) -> float:
    everywhere = np.ones(source.shape[:2], dtype=np.float32)
    before, after = fine_detail(source, everywhere), fine_detail(edited, everywhere)
    return float(np.log((after + UNSEEN_LEVELS) / (before + UNSEEN_LEVELS)))
