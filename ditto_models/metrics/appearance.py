"""How a picture's look changed: lightness, colour, fine detail, over a region of it.

Changes are edited less source. Colours are CIE L*a*b* under D65 (CIE 15): L* 0..100, a* towards red, b* towards yellow.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Mask

MEASURES = ("lightness", "warmth", "redness", "colourfulness", "fine_detail", "whiteness", "target_colour")
BRIGHT, NEUTRAL = 75.0, 12.0
"""L* above which, and chroma below which, a pixel counts as white."""
FINE_SIGMA_PIXELS = 1.5
LEAST_PIXELS = 64.0
"""Weight below which a region is too small to measure."""

Lab = NDArray[np.float32]


def changes(source: Frame, edited: Frame, weights: Mask, colour: str | None = None) -> dict[str, float] | None:
    """Each measure's signed change over HW `weights`; None where they hold almost no pixels.

    lightness, warmth (b*), redness (a*) and colourfulness (chroma) are means in CIE units; fine_detail is the ratio of
    mean absolute high-pass levels less 1; whiteness is a share of pixels; target_colour, where a `colour` "#rrggbb"
    is given, is how much nearer the mean a*b* came to it.

    Raises:
        ValueError: the frames differ in size, or the colour is not "#rrggbb".
    """
    if source.shape != edited.shape or weights.shape != source.shape[:2]:
        raise ValueError(f"source {source.shape}, edited {edited.shape}, weights {weights.shape}: expected one size")
    total = float(weights.sum())
    if total < LEAST_PIXELS:
        return None
    before, after = _looks(source, weights, total), _looks(edited, weights, total)
    found = {name: after[name] - before[name] for name in before}
    found["fine_detail"] = fine_detail(edited, weights) / max(fine_detail(source, weights), 1e-3) - 1
    if colour is not None:
        target = lab_of(colour)
        found["target_colour"] = _distance(source, target, weights, total) - _distance(edited, target, weights, total)
    return found


def lab(frame: Frame) -> Lab:
    """L*a*b* of HWC uint8 RGB, HWC float32."""
    return np.asarray(cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)


def lab_of(colour: str) -> Lab:
    """L*a*b* of "#rrggbb", three float32."""
    digits = colour.removeprefix("#")
    if len(digits) != 6:
        raise ValueError(f"colour {colour!r}: expected '#rrggbb', e.g. '#2060c0'")
    levels = np.array([[list(bytes.fromhex(digits))]], dtype=np.uint8)
    return np.asarray(lab(levels)[0, 0])


def fine_detail(frame: Frame, weights: Mask) -> float:
    """Mean absolute difference, in grey levels, of the frame from itself blurred."""
    return float((detail_map(frame) * weights).sum() / max(float(weights.sum()), 1e-6))


def detail_map(frame: Frame) -> NDArray[np.float32]:
    """The same difference of each pixel, HW."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), FINE_SIGMA_PIXELS)), dtype=np.float32)


def _looks(frame: Frame, weights: Mask, total: float) -> dict[str, float]:
    lightness, red, yellow = cv2.split(lab(frame))
    chroma = np.hypot(red, yellow)
    white = (lightness > BRIGHT) & (chroma < NEUTRAL)
    planes = {
        "lightness": lightness,
        "warmth": yellow,
        "redness": red,
        "colourfulness": chroma,
        "whiteness": white,
    }
    return {name: float((plane * weights).sum()) / total for name, plane in planes.items()}


def _distance(frame: Frame, target: Lab, weights: Mask, total: float) -> float:
    off = lab(frame)[..., 1:] - target[1:]
    return float((np.hypot(off[..., 0], off[..., 1]) * weights).sum()) / total
