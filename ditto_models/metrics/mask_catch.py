"""What a subject's mask took in that is no part of it: of another colour, and still while the subject moves."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame, Frames, Mask, Masks
from ditto_models.metrics.appearance import lab

WIDTH_PIXELS = 320
FRAMES_APART = 6
INSIDE = 0.8
STILL_LEVELS, MOVED_LEVELS = 8, 20
OTHER_COLOUR = 20.0
"""Distance from the subject's median a* and b*, in CIE units."""
LEAST_MOVED = 0.1
"""Share of the subject that must have moved: of a subject that rests nothing can be told."""
LEAST_PIXELS = 200


def mask_catch(source: Frames, masks: Masks) -> float:
    """The share of the subject that has another colour and holds still, mean of the moments when the subject moves.

    Of THWC uint8 RGB and masks THW. 0 where the subject is never seen to move.
    """
    found = []
    for index in range(0, len(source) - FRAMES_APART, FRAMES_APART // 2):
        later = index + FRAMES_APART
        share = _share(source[index], source[later], np.minimum(masks[index], masks[later]))
        if share is not None:
            found.append(share)
    return float(np.mean(found)) if found else 0.0


def _share(before: Frame, after: Frame, mask: Mask) -> float | None:
    """At one moment; None where the subject is not seen to move."""
    height, width = before.shape[:2]
    size = (WIDTH_PIXELS, max(1, round(height * WIDTH_PIXELS / width)))
    here, there = (
        np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8) for frame in (before, after)
    )
    inside = cv2.resize(mask, size) > INSIDE
    area = int(inside.sum())
    change = cv2.blur(cv2.absdiff(here, there), (5, 5)).max(axis=2)
    if area < LEAST_PIXELS or (inside & (change > MOVED_LEVELS)).sum() < LEAST_MOVED * area:
        return None
    colour = lab(here)[..., 1:]
    off = np.linalg.norm(colour - np.median(colour[inside], axis=0), axis=2)
    return float((inside & (change < STILL_LEVELS) & (off > OTHER_COLOUR)).sum()) / area
