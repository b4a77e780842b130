"""Light that falls on a part of the picture: from a side, in a pool, or least at the corners."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, Plane, from_lab, mix, ramp


def side_light(picture: Picture) -> Frame:
    """One side lit, the other in shadow. parameters["from"]: degrees, 0 right, 90 above, 180 left, 270 below."""
    lit = _across(picture.mask.shape, picture.number("from"))
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    level = picture.strength * (lit - 0.66)
    # What is bright already has no room for more light.
    gain = np.where(level > 0, 0.7 * (1 - 0.7 * ramp(lightness, 78, 100)), 0.85)
    return from_lab(np.asarray(lightness * (1 + gain * level), np.float32), redness, warmth + 9 * level)


def two_lights(picture: Picture) -> Frame:
    """Coloured lamps from both sides: parameters["left"] and ["right"], each "#rrggbb"."""
    lit = _across(picture.mask.shape, 0.0)
    left, right = picture.colour("left"), picture.colour("right")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    depth = ramp(lightness, 0, 45) * (1 - 0.5 * ramp(lightness, 80, 104))
    grip = 0.72 * min(1.0, 1.15 * picture.strength)
    tints = [(one + (other - one) * lit) * depth for one, other in zip(left[1:], right[1:], strict=True)]
    dim = lightness * (1 - 0.16 * picture.strength)
    return from_lab(np.asarray(dim, np.float32), mix(redness, tints[0], grip), mix(warmth, tints[1], grip))


def pool_of_light(picture: Picture) -> Frame:
    """The middle lit as by a spotlight, the rest dark. parameters["radius"]: of the pool, as a share of the width."""
    outside = _outside(picture.mask.shape, picture.number("radius"), 0.32)
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    keep = 1 - 0.85 * picture.strength * outside
    colour = 1 - 0.45 * picture.strength * outside
    raised = lightness * keep + 5 * picture.strength * (1 - outside) * (1 - lightness / 100)
    return from_lab(np.asarray(raised, np.float32), redness * colour, warmth * colour)


def vignette(picture: Picture) -> Frame:
    """Corners and edges fall away. parameters["towards"]: L* that they go to, 0 dark, 100 white."""
    outside = _outside(picture.mask.shape, 0.24, 0.42)
    towards = picture.number("towards")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    amount = 0.9 * picture.strength * outside
    return from_lab(mix(lightness, towards, amount), mix(redness, 0, amount), mix(warmth, 0, amount))


def _across(shape: tuple[int, ...], degrees: float) -> Plane:
    """0 at the side opposite to `degrees`, 1 at that side, HW."""
    height, width = shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    angle = np.radians(degrees)
    along = (columns / width - 0.5) * np.cos(angle) - (rows / height - 0.5) * np.sin(angle)
    return ramp(np.asarray(along, np.float32), -0.5, 0.5)


def _outside(shape: tuple[int, ...], radius: float, fade: float) -> Plane:
    """0 within `radius` of the middle, 1 beyond `radius + fade`, in shares of the width, HW."""
    height, width = shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    # An ellipse: pictures are wide, and a pool of light as wide as high would leave their sides black.
    away = np.hypot((columns - width / 2) / width, 1.25 * (rows - height / 2) / width)
    return ramp(np.asarray(away, np.float32), radius, radius + fade)
