"""Whether the key frame's brush work or smoothness lasts through the clip, or fades away from the key frame."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frame, Frames
from ditto_models.metrics.appearance import fine_detail

EVERY = 4
UNSEEN_LEVELS = 0.5
"""Fine detail that no one sees, in grey levels, added to both sides of a ratio."""


def detail_miss(source: Frames, edited: Frames, key_source: Frame, key_edited: Frame) -> float:
    """Mean factor by which fine detail, edited over source, is off the key pair's: 1 where it lasts, 2 twice or half.

    Videos THWC uint8 RGB, from every fourth frame; key frames HWC.
    """
    wanted = _gain(key_source, key_edited)
    pairs = zip(source[::EVERY], edited[::EVERY], strict=True)
    return float(np.exp(np.mean([abs(_gain(before, after) - wanted) for before, after in pairs])))


def _gain(source: Frame, edited: Frame) -> float:
    everywhere = np.ones(source.shape[:2], dtype=np.float32)
    before, after = fine_detail(source, everywhere), fine_detail(edited, everywhere)
    return float(np.log((after + UNSEEN_LEVELS) / (before + UNSEEN_LEVELS)))
