"""Colour grades: tints of shadows and lights, contrast and saturation, as tables of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Look, Picture, from_lab, near_hue, ramp


@dataclass(frozen=True, kw_only=True)
class Grade:
    """What a grade does at full strength."""

    shadows: tuple[float, float] = (0, 0)
    """Added to a*, b* where it is dark."""
    lights: tuple[float, float] = (0, 0)
    """Added to a*, b* where it is bright."""
    saturation: float = 1
    """Times the chroma."""
    contrast: float = 1
    """Times the distance of L* from the middle."""
    lift: float = 0
    """Added to L*, most in the shadows."""
    cool_as_shadows: bool = False
    """Tint bright blues as shadows are: with the opposite tint of the lights they would only turn grey."""


GRADES = {
    "sepia": Grade(shadows=(7, 18), lights=(7, 24), saturation=0.0, contrast=0.92, lift=4),
    "black_and_white": Grade(saturation=0.0, contrast=1.18),
    "cold_teal": Grade(shadows=(-11, -15), lights=(-8, -9), saturation=0.6, lift=-3),
    "teal_and_orange": Grade(shadows=(-12, -16), lights=(11, 22), contrast=1.1, cool_as_shadows=True),
    "warm_amber": Grade(shadows=(8, 16), lights=(9, 30), saturation=0.85),
    "faded_film": Grade(shadows=(2, -5), lights=(3, 10), saturation=0.55, contrast=0.72, lift=10),
    "neon": Grade(shadows=(22, -34), lights=(20, -14), saturation=1.15, contrast=1.08),
    "bleach_bypass": Grade(saturation=0.2, contrast=1.4),
    "cyanotype": Grade(shadows=(4, -38), lights=(-4, -20), saturation=0.0, contrast=1.05),
    "crimson": Grade(shadows=(34, 16), lights=(34, 14), saturation=0.0, contrast=1.1, lift=-14),
    "vivid": Grade(saturation=2.0, contrast=1.08),
    "emerald": Grade(shadows=(-16, 6), lights=(-14, 10), saturation=0.55, lift=-2),
    "slide_film": Grade(shadows=(3, -4), lights=(4, 13), saturation=1.35, contrast=1.22, lift=-2),
    "cross_processed": Grade(shadows=(6, -22), lights=(-13, 24), saturation=1.1, contrast=1.22),
    "expired_film": Grade(shadows=(16, -6), lights=(13, 8), saturation=0.6, contrast=0.76, lift=9),
    "noir": Grade(saturation=0.0, contrast=1.45, lift=-16),
    "soft_monochrome": Grade(saturation=0.0, contrast=0.68, lift=12),
    "matte": Grade(shadows=(-3, -5), lights=(0, 2), saturation=0.8, contrast=0.62, lift=9),
    "punchy": Grade(saturation=1.12, contrast=1.5),
    "moss_and_rust": Grade(shadows=(-9, 8), lights=(9, 17), saturation=0.7, contrast=1.05, lift=-4),
    "pastel": Grade(lights=(3, 2), saturation=0.62, contrast=0.72, lift=26),
}


def grade(name: str) -> Look:
    """The look of one of GRADES."""
    table = GRADES[name]

    def look(picture: Picture) -> Frame:
        return graded(picture, table)

    return look


def graded(picture: Picture, table: Grade) -> Frame:
    """A picture graded by a table, its numbers scaled by strength."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 12, 82)
    if table.cool_as_shadows:
        lit = np.asarray(lit * (1 - near_hue(picture, 265, 80, 4)), np.float32)
    # Black and white have no room for a tint: it would clip and turn to noise there.
    room = amount * np.minimum(ramp(lightness, -8, 22), 1 - 0.6 * ramp(lightness, 80, 104))
    # Half-drained colour reads as a fault, not as black and white: draining runs ahead of the rest.
    keep = max(0.0, 1 + (table.saturation - 1) * amount * (1.5 if table.saturation == 0 else 1))
    tints = [room * (dark + (light - dark) * lit) for dark, light in zip(table.shadows, table.lights, strict=True)]
    toned = 50 + (lightness - 50) * (1 + (table.contrast - 1) * amount)
    toned = toned + table.lift * amount * (1 - toned / 125)
    return from_lab(np.asarray(toned, np.float32), redness * keep + tints[0], warmth * keep + tints[1])
