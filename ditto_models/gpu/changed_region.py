"""Where an edit that adds something adds it: what changed in the key frame, moved through the clip with what it is on.

A source without the object has nothing to segment. Image editors change every pixel a little, shift colours and redraw
edges, so that a change counts only where it is large against what the edit did to the calmer part of the picture, and
where it is wider than an edge.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frame, Frames, KeyFramedClip, Mask, Masks
from ditto_models.embedded.carried import arrivals
from ditto_models.embedded.carrier import DIRECTIONS
from ditto_models.embedded.flow import FlowConfig, enlarged_positions, sample
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.gpu.mask_shape import MaskShapeConfig, closed, dilated, disc, shaped

Difference = NDArray[np.float32]
"""Distance in CIELAB, HW: 2 is just seen, 100 is black against white."""
CALM_QUANTILE = 0.25
"""Of all differences: even where the object fills most of the picture, this is one of the unchanged part."""


class ChangedRegionConfig(BaseModel):
    """What counts as changed; shares are of the frame's height."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blur_share: float = Field(default=0.004, ge=0, le=0.1)
    """Standard deviation of the blur, under which grain and new codec noise vanish."""
    least_difference: float = Field(default=9.0, gt=0)
    """In CIELAB, that any change must have."""
    calm_times: float = Field(default=6.0, ge=1)
    """How many times the difference of the calm part it must have."""
    edge_share: float = Field(default=0.006, ge=0, le=0.1)
    """Half the width of a change that is no more than a redrawn edge."""
    join_share: float = Field(default=0.03, ge=0, le=0.3)
    """Half the width of gaps between parts of one change: an object is like its background in places."""
    part_share: float = Field(default=0.1, gt=0, le=1)
    """Of the largest part's area, that another part must have."""
    least_area: float = Field(default=0.0005, ge=0, le=1)
    """Of the picture, that the largest part must have."""
    shape: MaskShapeConfig = MaskShapeConfig(dilate_share=0.03)
    flow: FlowConfig = FlowConfig()


def changed_masks(
    source: Frames,
    key_index: int,
    key_edited: Frame,
    config: ChangedRegionConfig | None = None,
    meter: FlowMeter | None = None,
) -> Masks:
    """Masks THW float32 of 0 and 1 of what an edit changed, from source THWC uint8 RGB and one edited frame HWC.

    All zero where nothing has changed. Method of the moving: chained DIS flow, as the embedded generators carry edits.

    Raises:
        ValueError: the key frame is not a frame of this clip's size, or its index not one of the clip's.
    """
    config = config or ChangedRegionConfig()
    masks = np.zeros(source.shape[:3], np.float32)
    clip = KeyFramedClip(source=source, masks=masks, key_index=key_index, key_edited=key_edited)
    masks[key_index] = key_mask = changed_mask(clip.key, key_edited, config)
    if not key_mask.any():
        return masks
    height, width = source.shape[1:3]
    flow = (meter or FlowMeter()).measure(source, config.flow)
    for direction in DIRECTIONS:
        for arrival in arrivals(flow, key_index, direction, config.flow):
            masks[arrival.index] = sample(key_mask, enlarged_positions(arrival.in_key, height, width))
    result = shaped(masks, config.shape)
    # What was seen to change is not smoothed away, whatever its neighbours are.
    result[key_index] = np.maximum(result[key_index], dilated(key_mask[None], config.shape.dilate_share)[0])
    return result


def changed_mask(source: Frame, edited: Frame, config: ChangedRegionConfig) -> Mask:
    """The mask HW float32 of 0 and 1 of what an edit of one frame changed, not widened."""
    height = source.shape[0]
    difference = _difference(source, edited, config.blur_share * height)
    limit = max(config.least_difference, config.calm_times * float(np.quantile(difference, CALM_QUANTILE)))
    changed = (difference > limit).astype(np.float32)
    wide = np.asarray(cv2.morphologyEx(changed, cv2.MORPH_OPEN, disc(round(config.edge_share * height))), np.float32)
    joined = closed(wide[None], config.join_share)[0]
    return _largest_parts(_without_holes(joined.astype(np.uint8)), config)


def _difference(source: Frame, edited: Frame, blur_pixels: float) -> Difference:
    """Less the shift of colour that all of the picture has."""
    signed = _lab(edited, blur_pixels) - _lab(source, blur_pixels)
    signed -= np.median(signed, axis=(0, 1))
    return np.asarray(np.sqrt((signed**2).sum(axis=2)), np.float32)


def _lab(frame: Frame, blur_pixels: float) -> NDArray[np.float32]:
    lab = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), blur_pixels) if blur_pixels else lab, np.float32)


def _without_holes(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(mask.copy(), outlines, -1, 1, cv2.FILLED), np.uint8)


def _largest_parts(mask: NDArray[np.uint8], config: ChangedRegionConfig) -> Mask:
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask)
    areas = statistics[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    least = max(config.part_share * areas.max(), config.least_area * mask.size, 1)
    return np.isin(parts, np.nonzero(areas >= least)[0]).astype(np.float32)
