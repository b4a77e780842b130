"""Painted and drawn: the picture redone in watercolour, oil, pencil or ink.

Sources: mean shift, Comaniciu and Meer 2002; strokes by the generalised Kuwahara filter, Papari et al. 2007; ink
lines by differences of Gaussians, Winnemoeller et al. 2012. Sizes are in pixels of a picture 640 across.
"""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Colours, Picture, Plane, blend, from_lab, lab_of_frame, ramp


def watercolour(picture: Picture) -> Frame:
    """Flat washes with darker rims on pale paper, without grain: grain would stay behind when the picture moves."""
    flat = np.asarray(cv2.pyrMeanShiftFiltering(picture.frame, 12, 27, maxLevel=1), np.uint8)
    lab = lab_of_frame(np.asarray(cv2.bilateralFilter(flat, 9, 30, 7), np.uint8))
    lightness, redness, warmth = lab[..., 0], lab[..., 1], lab[..., 2]
    rims = cv2.GaussianBlur(ramp(_slope(lightness), 2.5, 14), (0, 0), 0.9)
    pale = 100 - (100 - lightness) * 0.66
    wash = pale - 16 * rims * ramp(lightness, 5, 50)
    painted = from_lab(np.asarray(wash, np.float32), redness * 1.2, warmth * 1.2)
    return blend(picture.frame, painted, reach(picture))


def oil_painting(picture: Picture) -> Frame:
    """Short soft-edged strokes that catch the light, in deep colours."""
    strokes = _strokes(_strokes(picture.lab, 2.6), 1.8)
    lightness, redness, warmth = strokes[..., 0], strokes[..., 1], strokes[..., 2]
    relief = np.clip(cv2.Sobel(lightness, cv2.CV_32F, 1, 1, ksize=3) * 0.25, -4, 4)
    deep = 50 + (lightness - 50) * 1.1 + relief
    painted = from_lab(np.asarray(deep, np.float32), redness * 1.35, warmth * 1.35)
    return blend(picture.frame, painted, reach(picture))


def pencil_sketch(picture: Picture) -> Frame:
    """Graphite on off-white paper: lines where the picture has edges, soft shading in its darks."""
    tone = sketched(picture)
    zero = np.zeros_like(tone)
    return blend(picture.frame, from_lab(tone, zero, zero + 3), reach(picture))


def coloured_pencil(picture: Picture) -> Frame:
    """The same drawing with coloured pencils."""
    tone = sketched(picture)
    soft = lab_of_frame(np.asarray(cv2.bilateralFilter(picture.frame, 9, 40, 7), np.uint8))
    return blend(picture.frame, from_lab(tone, soft[..., 1] * 0.85, soft[..., 2] * 0.85), reach(picture))


def comic(picture: Picture) -> Frame:
    """Ink lines over flat colours in a few shades."""
    flat = np.asarray(cv2.pyrMeanShiftFiltering(picture.frame, 8, 26, maxLevel=1), np.uint8)
    lab = lab_of_frame(flat)
    step = 14.0
    part = lab[..., 0] / step
    stepped = (np.floor(part) + ramp(np.asarray(part % 1, np.float32), 0.15, 0.85)) * step + 3
    inked = np.clip(stepped, 0, 100) * (1 - 0.92 * _ink(picture.lab[..., 0]))
    painted = from_lab(np.asarray(inked, np.float32), lab[..., 1] * 1.35, lab[..., 2] * 1.35)
    return blend(picture.frame, painted, reach(picture))


def reach(picture: Picture) -> float:
    """How much of a painting is mixed in at the picture's strength, 0..1."""
    # A half-mixed painting looks like a double exposure: most of the way is gone by the middle of the scale.
    return min(1.0, 1.25 * picture.strength)


def _strokes(lab: Colours, radius: float) -> Colours:
    """Each pixel takes the mean of whichever side of it is most even, so that flat patches meet at firm edges."""
    total, weights = np.zeros_like(lab), np.zeros(lab.shape[:2], np.float32)
    mean = np.asarray(cv2.GaussianBlur(lab, (0, 0), radius / 2), np.float32)
    square = np.asarray(cv2.GaussianBlur(lab**2, (0, 0), radius / 2), np.float32)
    height, width = lab.shape[:2]
    for angle in np.arange(8) * np.pi / 4:
        shift = np.array([[1, 0, radius * np.cos(angle)], [0, 1, radius * np.sin(angle)]], np.float32)
        side = cv2.warpAffine(mean, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        power = cv2.warpAffine(square, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        spread = np.maximum((power - side**2).sum(axis=2), 0)
        weight = np.asarray((1 + spread) ** -3.0, np.float32)
        total += side * weight[..., None]
        weights += weight
    return np.asarray(total / weights[..., None], np.float32)


def _slope(lightness: Plane) -> Plane:
    steps = cv2.Sobel(lightness, cv2.CV_32F, 1, 0) / 4, cv2.Sobel(lightness, cv2.CV_32F, 0, 1) / 4
    return np.asarray(np.hypot(*steps), np.float32)


def sketched(picture: Picture) -> Plane:
    """L* of a pencil drawing: the picture divided by its blurred self, and soft shading."""
    grey = np.asarray(cv2.bilateralFilter(picture.lab[..., 0], 5, 14, 3) / 100, np.float32)
    around = cv2.GaussianBlur(grey, (0, 0), 3.5)
    # Slight shade is left white: on smooth things it is coding noise, which the pencil would smudge.
    lines = np.clip((grey + 0.08) / (around + 0.08) / 0.985, 0, 1) ** 3.2
    shading = 0.5 + 0.5 * ramp(np.asarray(cv2.GaussianBlur(grey, (0, 0), 2), np.float32), 0.02, 0.55)
    return np.asarray(96 * lines * shading, np.float32)


def _ink(lightness: Plane) -> Plane:
    """1 on lines: where a picture is darker than its surroundings by more than a little."""
    smooth = np.asarray(cv2.bilateralFilter(lightness, 7, 15, 5), np.float32)
    fine, coarse = cv2.GaussianBlur(smooth, (0, 0), 0.9), cv2.GaussianBlur(smooth, (0, 0), 2.2)
    return ramp(np.asarray(coarse - fine, np.float32), 1.6, 5.0)
