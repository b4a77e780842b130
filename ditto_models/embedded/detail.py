"""What an edit did to texture, fitted to one pair as gains on the source's own detail bands.

A colour table cannot smooth, sharpen or draw outlines. A weighted ridge regression from bands of the source's grey
(three octaves, two edge-preserving smoothings, edges) to what the table missed does so everywhere, also
where nothing of the key frame can be carried, and is as steady in time as the source itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame
from ditto_models.embedded.lut import Picture, Weights

RIDGE = 1e-2
"""Pull of the gains to zero, as a share of each band's energy."""
SMOOTHINGS = ((4, 400.0), (8, 1600.0))
"""Radius in pixels and grey variance of the guided filters (He et al., "Guided Image Filtering", ECCV 2010)."""

OUTLINE_LEVELS = 6.0
"""Grey levels a pixel from which an edge counts as an outline."""


@dataclass(frozen=True, kw_only=True)
class Detail:
    """Gains from K bands to the three colour channels."""

    gains_KC: NDArray[np.float32]

    def apply(self, frame: Frame) -> Picture:
        """What to add to the colour-mapped frame, HWC float32 levels; `frame` is HWC uint8 RGB."""
        bands_KP = _bands(frame)
        return np.asarray(cv2.transform(cv2.merge(bands_KP), self.gains_KC.T), dtype=np.float32)


def fit_detail(before: Frame, missing: Picture, weights: Weights) -> Detail:
    """Gains that best explain `missing` (HWC float32 levels) from the bands of `before` (HWC uint8 RGB)."""
    bands_PK = np.dstack(_bands(before)).reshape(missing.shape[0] * missing.shape[1], -1).astype(np.float64)
    weighted = bands_PK * weights.reshape(-1, 1)
    energy = weighted.T @ bands_PK
    ridge = np.diag(RIDGE * np.diag(energy) + 1e-3 * weights.size)
    gains = np.linalg.solve(energy + ridge, weighted.T @ missing.reshape(-1, 3))
    return Detail(gains_KC=gains.astype(np.float32))


def _bands(frame: Frame) -> list[NDArray[np.float32]]:
    grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    fine, middle, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.8, 2.0, 5.0))
    smoothed = [_smoothed(grey, radius, variance) - grey for radius, variance in SMOOTHINGS]
    across, down = cv2.Sobel(fine, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(fine, cv2.CV_32F, 0, 1, scale=0.125)
    edge = cv2.magnitude(across, down)
    outline, lit_edge = np.maximum(edge - OUTLINE_LEVELS, 0), edge * grey / 255
    bands = [grey - fine, fine - middle, middle - coarse, *smoothed, edge, outline, lit_edge]
    return [np.asarray(band, dtype=np.float32) for band in bands]


def _smoothed(grey: NDArray[np.float32], radius: int, variance: float) -> NDArray[np.float32]:
    """Guided filter of a grey picture by itself."""
    size = (2 * radius + 1, 2 * radius + 1)
    mean: Weights = np.asarray(cv2.blur(grey, size), dtype=np.float32)
    slope: Weights = np.asarray(cv2.blur(grey * grey, size), dtype=np.float32)
    slope -= mean * mean
    slope /= slope + variance
    mean -= slope * mean
    smoothed: Weights = np.asarray(cv2.blur(slope, size), dtype=np.float32)
    smoothed *= grey
    smoothed += np.asarray(cv2.blur(mean, size), dtype=np.float32)
    return smoothed
