"""Drawn with one thing on one paper: pencil, ink or chalk. Lines and shade are those of `painting.sketched`."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.painting import reach, sketched
from ditto_models.embedded.looks.picture import Picture, blend, from_lab, lab_of_frame, ramp


def drawing(picture: Picture) -> Frame:
    """Drawn in parameters["pen"] on parameters["paper"], the lighter of the two, each "#rrggbb"."""
    pen, paper = picture.colour("pen"), picture.colour("paper")
    marked = np.asarray(1 - sketched(picture) / 96, np.float32)
    planes = [sheet + (mark - sheet) * marked for sheet, mark in zip(paper, pen, strict=True)]
    return blend(picture.frame, from_lab(*planes), reach(picture))


def ink_wash(picture: Picture) -> Frame:
    """Brush and diluted ink: flat grey washes, dark accents, pale warm paper."""
    flat = np.asarray(cv2.pyrMeanShiftFiltering(picture.frame, 10, 24, maxLevel=1), np.uint8)
    lightness = lab_of_frame(np.asarray(cv2.bilateralFilter(flat, 9, 30, 7), np.uint8))[..., 0]
    wash = 95 - 78 * (1 - ramp(lightness, -4, 74)) ** 1.35
    lines = sketched(picture) / 96
    inked = wash * (0.45 + 0.55 * lines)
    zero = np.zeros_like(lightness)
    return blend(picture.frame, from_lab(np.asarray(inked, np.float32), zero, zero + 5), reach(picture))
