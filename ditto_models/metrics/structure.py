"""Whether shapes stayed where they were: agreement of edge directions between a frame and its edit.

Directions are compared without sign and at a coarse scale, so that recolouring, relighting and brush strokes agree
and moved, bent or vanished shapes do not. Related to gradient correlation (Argyriou and Vlachos, 2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame

WIDTH_PIXELS = 320
SIGMA_PIXELS = 2.0
BLOCKS_ACROSS = 10
LEAST_EDGE = 1.0
"""Grey levels a pixel below which a block has no shape to compare."""


@dataclass(frozen=True, kw_only=True)
class StructureAgreement:
    """Agreement from -1 (across) by 0 (unrelated) to 1 (the same); None for a source with no edges at all."""

    whole: float | None
    worst_blocks: float | None
    """Mean of the tenth of the blocks that agree least."""


def structure_agreement(source: Frame, edited: Frame) -> StructureAgreement:
    """Agreement of the edges of two HWC uint8 RGB frames of one size."""
    before, after = _double_angle(source), _double_angle(edited)
    strength, other = np.hypot(*before), np.hypot(*after)
    same = before[0] * after[0] + before[1] * after[1]
    agreement = same / np.maximum(strength * other, 1e-6)
    weight = np.sqrt(strength)
    height, width = strength.shape
    side = max(8, width // BLOCKS_ACROSS)
    size = (max(1, width // side), max(1, height // side))
    weights_block = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    agreement_block = cv2.resize(agreement * weight, size, interpolation=cv2.INTER_AREA)
    shaped = weights_block > LEAST_EDGE
    if not shaped.any():
        return StructureAgreement(whole=None, worst_blocks=None)
    blocks = np.sort(agreement_block[shaped] / weights_block[shaped])
    worst = float(blocks[: max(1, len(blocks) // 10)].mean())
    return StructureAgreement(
        whole=float(agreement_block[shaped].sum() / weights_block[shaped].sum()), worst_blocks=worst
    )


def _double_angle(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The structure tensor's direction as a vector of twice its angle: opposite edges then count as the same."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if width > WIDTH_PIXELS:
        size = (WIDTH_PIXELS, max(8, round(height * WIDTH_PIXELS / width)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)
    parallel = cv2.GaussianBlur(across * across - down * down, (0, 0), SIGMA_PIXELS)
    diagonal = cv2.GaussianBlur(2 * across * down, (0, 0), SIGMA_PIXELS)
    return np.asarray(parallel, dtype=np.float32), np.asarray(diagonal, dtype=np.float32)
