"""Sharpness of an edit beside its source's, and how it varies through the clip."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ditto_models.base import Frame, Frames

EVERY = 4


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """Fine contrast, each frame's divided by its overall contrast, so that a darker picture is not a blurred one."""

    ratio: float
    """Edited over source, mean of the frames: 1 as sharp, less is blurred."""
    least_ratio: float
    """The same of the frame that lost most."""


def sharpness(source: Frames, edited: Frames) -> Sharpness:
    """Sharpness of THWC uint8 RGB, from every fourth frame."""
    ratios = [
        frame_sharpness(after) / max(frame_sharpness(before), 1e-3)
        for before, after in zip(source[::EVERY], edited[::EVERY], strict=True)
    ]
    return Sharpness(ratio=float(np.mean(ratios)), least_ratio=float(np.min(ratios)))


def frame_sharpness(frame: Frame) -> float:
    """Mean absolute Laplacian over the grey standard deviation, HWC uint8 RGB."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.8)
    fine = np.abs(cv2.Laplacian(smooth, cv2.CV_32F)).mean()
    return float(fine / max(float(grey.std()), 4.0))
