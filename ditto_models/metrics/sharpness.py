"""Sharpness of an edit beside its source's, and how it varies through the clip."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames

EVERY = 4
BLOCKS_ACROSS = 16
LEAST_CONTRAST = 2.0
"""Grey standard deviation below which a block shows nothing that could be sharp."""


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """Fine contrast, each block's divided by its contrast, so that a darker picture is not a blurred one."""

    ratio: float
    """Edited over source, mean of the frames: 1 as sharp, less is blurred."""
    least_ratio: float
    """The same of the frame that lost most."""


def sharpness(source: Frames, edited: Frames) -> Sharpness:
    """Sharpness of THWC uint8 RGB, from every fourth frame."""
    pairs = zip(source[::EVERY], edited[::EVERY], strict=True)
    ratios = [sharpness_ratio(before, after) for before, after in pairs]
    return Sharpness(ratio=float(np.mean(ratios)), least_ratio=float(np.min(ratios)))


def sharpness_ratio(source: Frame, edited: Frame) -> float:
    """Edited over source sharpness of HWC uint8 RGB frames: the mean over blocks that have any contrast in both."""
    before, after = _fine_and_contrast(source), _fine_and_contrast(edited)
    clear = (before[1] > LEAST_CONTRAST) & (after[1] > LEAST_CONTRAST / 4)
    if not clear.any():
        return 1.0 if before[1].max() <= LEAST_CONTRAST else 0.0
    ratio = (after[0] / after[1])[clear] / np.maximum((before[0] / before[1])[clear], 1e-3)
    return float(np.average(np.minimum(ratio, 3.0), weights=before[1][clear]))


def _fine_and_contrast(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean absolute Laplacian, and grey standard deviation, of each block."""
    grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    fine = np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 0.8), cv2.CV_32F))
    height, width = grey.shape
    side = max(8, width // BLOCKS_ACROSS)
    size = (max(1, width // side), max(1, height // side))
    mean = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    square = cv2.resize(grey * grey, size, interpolation=cv2.INTER_AREA)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    fine = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    return np.asarray(fine, dtype=np.float32), np.asarray(np.maximum(deviation, 1e-3), dtype=np.float32)
