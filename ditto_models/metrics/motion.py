"""Whether an edit moves as its source does: difference of their optical flows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frames
from ditto_models.embedded.flow import ClipFlow, reduced_grey, settled

MOVING_PIXELS = 0.5
"""Flow a frame, at the reduced size, from which a pixel counts as moving."""
TRUSTED = 0.5
LEAST_MOVING_SHARE = 0.002
CORNER_LEVELS = 3.0
"""Gradient, in grey levels a pixel, that a place must have in every direction: along a lone edge flow is guesswork."""
EVERY = 3


@dataclass(frozen=True, kw_only=True)
class MotionAgreement:
    """How the edit's flow differs from the source's."""

    moving_error: float | None
    """Over moving pixels, difference of flow over flow: 0 the same, 1 as if frozen; None where hardly any move."""
    still_error_pixels: float
    """Over the still pixels, mean difference of flow in pixels a frame at the reduced size."""


def motion_agreement(edited: Frames, source_flow: ClipFlow) -> MotionAgreement:
    """Agreement of THWC uint8 RGB `edited` with the flow of its source, from every third link."""
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    width = source_flow.grey_THW.shape[2]
    moved = motion = off_moving = off_still = still = 0.0
    for index in range(0, len(edited) - 1, EVERY):
        here, there = reduced_grey(edited[index], width), reduced_grey(edited[index + 1], width)
        wanted = source_flow.to_next[index]
        found = np.asarray(engine.calc(here, there, wanted.copy()), dtype=np.float32)
        off = settled(found, source_flow.trust_next[index], source_flow.grey_THW[index]) - wanted
        off_pixels, wanted_pixels = np.hypot(off[..., 0], off[..., 1]), np.hypot(wanted[..., 0], wanted[..., 1])
        trusted = (source_flow.trust_next[index] > TRUSTED) & _cornered(source_flow.grey_THW[index])
        moving, resting = trusted & (wanted_pixels > MOVING_PIXELS), trusted & (wanted_pixels <= MOVING_PIXELS)
        moved += float(moving.sum())
        still += float(resting.sum())
        motion += float(wanted_pixels[moving].sum())
        off_moving += float(np.minimum(off_pixels, 2 * wanted_pixels)[moving].sum())
        off_still += float(off_pixels[resting].sum())
    share = moved / max(moved + still, 1.0)
    return MotionAgreement(
        moving_error=off_moving / motion if share > LEAST_MOVING_SHARE else None,
        still_error_pixels=off_still / max(still, 1.0),
    )


def _cornered(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.blur(product, (9, 9)) for product in (across * across, down * down, across * down))
    least = (xx + yy) / 2 - np.sqrt((xx - yy) ** 2 / 4 + xy * xy)
    return np.asarray(least > CORNER_LEVELS**2)
