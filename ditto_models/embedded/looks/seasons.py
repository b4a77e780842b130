"""Seasons told by what grows: greenery turned to snow, autumn leaves, dry straw or pink blossom."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, Plane, from_lab, mix, near_hue, ramp


def winter_snow(picture: Picture) -> Frame:
    """Snow over grass and leaves, blue in its shadows; the air cool and the rest a little drained of colour."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    green = _greenery(picture)
    smooth = np.asarray(cv2.bilateralFilter(lightness, 7, 18, 5), np.float32)
    lit = ramp(smooth, 6, 72)
    snow = 36 + 50 * lit + 0.75 * (lightness - smooth)
    cover = green * min(1.0, 1.45 * amount)
    lightness = mix(lightness, snow, cover)
    redness = mix(redness * (1 - 0.35 * amount), -1, cover)
    warmth = mix(warmth * (1 - 0.35 * amount) - 4 * amount, -3 - 9 * (1 - lit), cover)
    return from_lab(lightness, redness, warmth)


def autumn(picture: Picture) -> Frame:
    """Greens turned to gold, orange and rust, by their own shade; a touch of warmth over everything."""
    gold_to_rust = 84 - 36 * ramp(-picture.hue, -125, -100) - 8 * ramp(-picture.lab[..., 0], -45, -10)
    return _turned(picture, gold_to_rust, 1.15, 0, 3)


def parched(picture: Picture) -> Frame:
    """A dry summer: greens bleached to straw."""
    return _turned(picture, np.full(picture.mask.shape, 84, np.float32), 0.72, 6, 3)


def blossom(picture: Picture) -> Frame:
    """Leaves and grass in the pale pink of cherry blossom."""
    return _turned(picture, np.full(picture.mask.shape, 352, np.float32), 0.75, 12, 0)


def _turned(picture: Picture, hue: Plane, chroma: float, lighter: float, warmer: float) -> Frame:
    amount = min(1.0, 1.15 * picture.strength)
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    green = _greenery(picture) * amount
    angle = np.radians(hue)
    redness = mix(redness, picture.chroma * chroma * np.cos(angle), green)
    warmth = mix(warmth + warmer * amount, picture.chroma * chroma * np.sin(angle), green)
    raised = lightness + lighter * green * ramp(lightness, 5, 40)
    return from_lab(np.asarray(raised, np.float32), redness, warmth)


def _greenery(picture: Picture) -> Plane:
    """Where the picture is green and not the subject."""
    return np.asarray(near_hue(picture, 122, 62, 8) * (1 - picture.mask), np.float32)
