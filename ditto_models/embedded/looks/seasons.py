"""Seasons told by what grows: greenery turned to snow, frost, autumn leaves, dry straw, or any other colour."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, Plane, from_lab, mix, near_hue, ramp


def winter_snow(picture: Picture) -> Frame:
    """Snow over grass and leaves, blue in its shadows; the air cool and the rest a little drained of colour.

    parameters["cover"], 0..1: from a dusting, through which dark blades show, to deep snow.
    """
    amount, deep = picture.strength, picture.number("cover")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    green = _greenery(picture)
    smooth = np.asarray(cv2.bilateralFilter(lightness, 7, 18, 5), np.float32)
    lit = ramp(smooth, 6, 72)
    snow = 36 + 50 * lit + 0.75 * (lightness - smooth)
    # A dusting lies on what catches the light.
    lying = ramp(lightness, 62 * (1 - deep) - 2, 62 * (1 - deep) + 18)
    cover = green * min(1.0, 1.45 * amount) * lying
    lightness = mix(lightness, snow, cover)
    redness = mix(redness * (1 - 0.35 * amount), -1, cover)
    warmth = mix(warmth * (1 - 0.35 * amount) - 4 * amount, -3 - 9 * (1 - lit), cover)
    return from_lab(lightness, redness, warmth)


def autumn(picture: Picture) -> Frame:
    """Greens turned to gold, orange and rust, by their own shade; a touch of warmth over everything.

    parameters["late"], 0..1: from the first gold to rust and wine red.
    """
    late = picture.number("late")
    turned = (36 * ramp(-picture.hue, -125, -100) + 8 * ramp(-picture.lab[..., 0], -45, -10)) * (0.3 + 0.7 * late)
    return _turned(picture, np.asarray(90 - 18 * late - turned, np.float32), 1.15 - 0.15 * late, 2 - 7 * late, 3)


def parched(picture: Picture) -> Frame:
    """A dry summer: greens bleached to straw."""
    return _turned(picture, np.full(picture.mask.shape, 84, np.float32), 0.72, 6, 3)


def blossom(picture: Picture) -> Frame:
    """Leaves and grass in the pale pink of cherry blossom."""
    return _turned(picture, np.full(picture.mask.shape, 352, np.float32), 0.75, 12, 0)


def frost(picture: Picture) -> Frame:
    """Hoarfrost: greenery turned to pale silvery blue, its own light and dark kept, the air cold."""
    amount = min(1.0, 1.2 * picture.strength)
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    green = _greenery(picture) * amount
    rimed = lightness + 0.42 * (88 - lightness) * ramp(lightness, 10, 50)
    redness = mix(redness * (1 - 0.3 * amount), -3, green)
    warmth = mix(warmth * (1 - 0.35 * amount) - 5 * amount, -9, green)
    return from_lab(mix(lightness, rimed, green), redness, warmth)


def coloured_greenery(picture: Picture) -> Frame:
    """Grass and leaves in parameters["colour"], their light and shade kept."""
    target_lightness, target_redness, target_warmth = picture.colour("colour")
    amount = min(1.0, 1.15 * picture.strength)
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    green = _greenery(picture) * amount
    depth = ramp(lightness, -5, 45) * (1 - 0.5 * ramp(lightness, 80, 104))
    raised = lightness + 0.35 * (target_lightness - 50) * green * ramp(lightness, 0, 40)
    return from_lab(raised, mix(redness, target_redness * depth, green), mix(warmth, target_warmth * depth, green))


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
