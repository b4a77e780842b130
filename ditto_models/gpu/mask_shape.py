"""Masks made fit to edit inside: frames without one filled, flicker taken out, holes closed, the outline widened.

What tracks an object loses it for a frame, or sees a second one for a frame; a generator that inpaints inside such
masks blinks. All is done on the distance to the outline (positive inside), which moves with an object that moves: the
median of three such fields drops what only one frame has and keeps a moving outline where it is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Mask, Masks

Field_HW = NDArray[np.float32]
"""Pixels to the outline, HW: positive inside of the mask, negative outside."""
MISSING_SHARE = 0.25
"""Of the area before and after, below which a frame's mask is missing and not just smaller."""
KEPT_SHARE = 0.5
"""Of a frame's area, that the median must leave: what moves by more than its own width in a frame is no flicker."""


class MaskShapeConfig(BaseModel):
    """How masks are shaped; shares are of the frame's height."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fill_frames: int = Field(default=2, ge=0)
    """Frames in a row that may be without a mask between two that have one; they get one in between."""
    window: int = Field(default=3, ge=1)
    """Frames, an odd number, over which the outline is the median; 1 leaves it alone."""
    close_share: float = Field(default=0.01, ge=0, le=0.2)
    """Half the width of gaps and holes that are closed."""
    dilate_share: float = Field(default=0.0, ge=0, le=0.3)
    """By how much the outline is widened; what replaces an object may be a little larger than it."""


def shaped(masks: Masks, config: MaskShapeConfig) -> Masks:
    """Masks THW float32, each 0 or 1, of soft masks THW; all zero stays all zero."""
    firm = steadied(filled(firmed(masks), config.fill_frames), config.window)
    return dilated(closed(firm, config.close_share), config.dilate_share)


def firmed(masks: Masks) -> Masks:
    """1 where a soft mask is above one half, 0 elsewhere."""
    return np.asarray(masks > 0.5, np.float32)


def filled(masks: Masks, most_frames: int) -> Masks:
    """Up to so many frames in a row without a mask get one between those before and after them, moved to its place."""
    areas = masks.sum(axis=(1, 2))
    result = masks.copy()
    last = 0
    for end in range(1, len(masks)):
        if areas[end] <= MISSING_SHARE * areas[last] and end - last <= most_frames:
            continue
        if 1 < end - last <= most_frames + 1:
            for place in range(last + 1, end):
                if areas[place] < MISSING_SHARE * min(areas[last], areas[end]):
                    result[place] = _between(masks[last], masks[end], (place - last) / (end - last))
        last = end
    return result


def steadied(masks: Masks, window: int) -> Masks:
    """The median outline over a window of frames; a frame of which that leaves little, since it moves fast, is kept."""
    if window == 1 or len(masks) < 3 or not masks.any():
        return masks
    fields = [_field(mask) for mask in masks]
    result = masks.copy()
    for place in range(1, len(masks) - 1):
        reach = min(window // 2, place, len(masks) - 1 - place)
        around = range(place - reach, place + reach + 1)
        median = (np.median([fields[other] for other in around], axis=0) > 0).astype(np.float32)
        area = masks[place].sum()
        beside = min(masks[place - 1].sum(), masks[place + 1].sum())
        moves_fast = median.sum() < KEPT_SHARE * area and beside > KEPT_SHARE * area
        result[place] = masks[place] if moves_fast else median
    return result


def closed(masks: Masks, share: float) -> Masks:
    """Gaps narrower than twice this share of the height closed, and holes of that size."""
    radius = round(share * masks.shape[1])
    if radius == 0 or not masks.any():
        return masks
    # Room all round: at the border, what was widened could not be taken back.
    wide = np.pad(masks, ((0, 0), (radius, radius), (radius, radius)))
    shut = np.stack([cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc(radius)) for mask in wide])
    return np.asarray(shut[:, radius:-radius, radius:-radius], np.float32)


def dilated(masks: Masks, share: float) -> Masks:
    """Widened by this share of the height, all round."""
    radius = round(share * masks.shape[1])
    if radius == 0 or not masks.any():
        return masks
    return np.stack([np.asarray(cv2.dilate(mask, disc(radius)), np.float32) for mask in masks])


def disc(radius: int) -> NDArray[np.uint8]:
    """A round element of this many pixels' radius for cv2's morphology."""
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _field(mask: Mask) -> Field_HW:
    """Of an empty mask, as far outside as can be; of a full one, as far inside."""
    inside = (mask > 0.5).astype(np.uint8)
    far = float(sum(mask.shape))
    if not inside.any() or inside.all():
        return np.full(mask.shape, far if inside.any() else -far, np.float32)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.asarray(depth, np.float32)


def _between(before: Mask, after: Mask, share: float) -> Mask:
    """The shape between two masks, `share` of the way from the first to the second, at the place between theirs."""
    centres = [np.array(np.nonzero(mask)).mean(axis=1)[::-1] for mask in (before, after)]
    place = (1 - share) * centres[0] + share * centres[1]
    first, second = (
        _moved(_field(mask), place - centre) for mask, centre in zip((before, after), centres, strict=True)
    )
    return np.asarray((1 - share) * first + share * second > 0, np.float32)


def _moved(field: Field_HW, shift: NDArray[np.float64]) -> Field_HW:
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    moved = cv2.warpAffine(field, matrix, field.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
