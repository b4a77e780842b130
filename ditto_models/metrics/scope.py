"""How far an edit reaches: of a local one, change inside its region against outside; of a global one, its share."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ditto_models.base import Frames, Masks

MARGIN_SHARE = 0.02
"""Width of the border round the region, as a share of the picture's, that counts as neither side."""
SEEN_LEVELS = 12.0
"""Change of a pixel that a person sees, in levels."""
NOTICED_LEVELS = 6.0
"""Change that shows over an area, in levels; coding noise is blurred away below it."""
EVERY = 4


@dataclass(frozen=True, kw_only=True)
class ScopeChange:
    """Mean change of colour, in levels 0..255, and the share of outside pixels that visibly changed."""

    inside_levels: float
    outside_levels: float
    outside_share: float


def scope_change(source: Frames, edited: Frames, regions: Masks) -> ScopeChange | None:
    """Change of THWC uint8 RGB in and out of THW `regions`, from every fourth frame; None where a side is empty."""
    inside_sum = inside_area = outside_sum = outside_area = seen = 0.0
    margin = max(3, round(source.shape[2] * MARGIN_SHARE)) | 1
    kernel = np.ones((margin, margin), np.uint8)
    for before, after, region in zip(source[::EVERY], edited[::EVERY], regions[::EVERY], strict=True):
        # Blurring leaves coding noise out of what counts as seen.
        change = cv2.blur(cv2.absdiff(before, after), (3, 3)).max(axis=2)
        inside = region > 0.5
        outside = cv2.dilate((region > 0.05).astype(np.uint8), kernel) == 0
        inside_sum += float(change[inside].sum())
        inside_area += float(inside.sum())
        outside_sum += float(change[outside].sum())
        outside_area += float(outside.sum())
        seen += float((change[outside] > SEEN_LEVELS).sum())
    if min(inside_area, outside_area) < 64:
        return None
    return ScopeChange(
        inside_levels=inside_sum / inside_area,
        outside_levels=outside_sum / outside_area,
        outside_share=seen / outside_area,
    )


def reach(source: Frames, edited: Frames) -> float:
    """The share of all pixels that changed by NOTICED_LEVELS or more, THWC uint8 RGB, from every fourth frame."""
    shares = [
        float((cv2.blur(cv2.absdiff(before, after), (3, 3)).max(axis=2) >= NOTICED_LEVELS).mean())
        for before, after in zip(source[::EVERY], edited[::EVERY], strict=True)
    ]
    return float(np.mean(shares))
