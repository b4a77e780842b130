"""What VACE is conditioned on for each route, and how a masked edit is laid back over its source. Pure arrays.

VACE (Jiang et al. 2025, arXiv 2503.07598) reads a control video, a mask of what to make anew, and reference images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames, Masks, UnsupportedEdit

KeyFrameEnters = Literal["reference", "frame", "both"]
Region = NDArray[np.bool_]
"""Which pixels are made anew, THW."""
GREY = 128
"""Stands for what is to be made anew."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What one call is conditioned on."""

    video: Frames
    """THWC uint8 RGB."""
    anew: Region | None
    """What to make anew; None is everything."""
    references: tuple[Frame, ...]
    """Images of what to make, of the video's size."""


def structure_controls(nearness: NDArray[np.uint8], key_edited: Frame) -> Controls:
    """Everything is made anew: laid out as the depth is (THW, near is bright), and looking like the key frame."""
    video = np.repeat(nearness[..., None], 3, axis=3)
    return Controls(video=video, anew=None, references=(key_edited,))


def mask_controls(
    source: Frames, region: Region, key_index: int, key_edited: Frame, enters: KeyFrameEnters
) -> Controls:
    """Only the region is made anew; the key frame is shown beside the video, stands in its place in it, or both."""
    video, anew = np.where(region[..., None], np.uint8(GREY), source), region
    if enters != "reference":
        video[key_index] = key_edited
        anew = region.copy()
        anew[key_index] = False
    return Controls(video=video, anew=anew, references=() if enters == "frame" else (key_edited,))


def region_of(masks: Masks) -> Region:
    """Where soft masks hold more than half."""
    return np.asarray(masks > 0.5)


def region_to_edit(name: str, masks: Masks) -> Region:
    """The region that the generator of this name is to make anew on the route "mask".

    Raises:
        UnsupportedEdit: there is nothing in the masks.
    """
    region = region_of(masks)
    if not region.any():
        raise UnsupportedEdit(
            f"route 'mask' of {name} has an empty mask, so nothing would change; "
            "expected the edit's target in it: name another target, or take route 'structure'"
        )
    return region


def composed(source: Frames, made: Frames, region: Region, feather_pixels: int) -> Frames:
    """`made` inside the region, exactly `source` outside it, mixed only along its border, `feather_pixels` wide."""
    edited = np.empty_like(source)
    for index, inside in enumerate(region):
        alpha = _alpha(inside, feather_pixels)[..., None]
        edited[index] = np.rint(alpha * made[index] + (1 - alpha) * source[index])
    return edited


def _alpha(inside: NDArray[np.bool_], feather_pixels: int) -> NDArray[np.float32]:
    """1 inside, falling along the feather, 0 beyond it, HW."""
    if not inside.any():
        return np.zeros(inside.shape, np.float32)
    pixels_away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    falling = 1 - pixels_away / (feather_pixels + 1)
    return np.where(pixels_away <= feather_pixels, falling, 0).astype(np.float32)
