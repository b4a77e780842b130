"""What a subject's mask left out: things close round it that move, as a wing or an ear does, and are not in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames, Masks

WIDTH_PIXELS = 320
FRAMES_APART, SEEN_LEVELS = 6, 24
"""So far apart, and changed by so many levels, something is seen to have moved."""
INSIDE = 0.2
NEAR_SHARE, MARGIN_SHARE = 0.1, 0.02
"""Of the width: how near counts, and how near is the mask's own soft border."""


def mask_stray(source: Frames, masks: Masks) -> float:
    """What changes in a band round the subject beyond what changes farther off, as a share of the subject's area.

    Of THWC uint8 RGB and masks THW; of the moment at which it is most. 0 where the mask holds all that moves.
    """
    gap = min(FRAMES_APART, len(source) - 1)
    found = [0.0]
    for index in range(0, len(source) - gap, max(1, gap // 2)):
        here, there = index, index + gap
        before, after = _reduced(source[here]), _reduced(source[there])
        size = before.shape[1::-1]
        region = np.maximum(cv2.resize(masks[here], size), cv2.resize(masks[there], size)) > INSIDE
        found.append(_stray(before, after, region))
    return max(found)


def _stray(before: Frame, after: Frame, region: NDArray[np.bool_]) -> float:
    width = before.shape[1]
    margin = max(3, round(width * MARGIN_SHARE)) | 1
    inside = region.astype(np.uint8)
    outside = cv2.dilate(inside, np.ones((margin, margin), np.uint8)) == 0
    near = outside & (cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5) < width * NEAR_SHARE)
    far = outside & ~near
    if not near.any() or not region.any():
        return 0.0
    # Blurring leaves coding noise out of what counts as seen.
    changed = cv2.blur(cv2.absdiff(before, after), (3, 3)).max(axis=2) > SEEN_LEVELS
    beyond = float(changed[near].mean()) - (float(changed[far].mean()) if far.any() else 0.0)
    return max(0.0, beyond) * float(near.sum()) / float(region.sum())


def _reduced(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    size = (WIDTH_PIXELS, max(1, round(height * WIDTH_PIXELS / width)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
