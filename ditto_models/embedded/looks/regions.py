"""Edits of the subject alone or of the background alone, through the mask."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Look, Picture, Plane, blend, colour_of, from_lab, mix, ramp


def recolour_subject(picture: Picture) -> Frame:
    """The subject in parameters["colour"], its light and shade kept."""
    return _recoloured(picture, picture.mask, 0.92, 0.45)


def recolour_background(picture: Picture) -> Frame:
    """Everything but the subject washed in parameters["colour"], its light and shade kept."""
    return _recoloured(picture, 1 - picture.mask, 0.85, 0.15)


def desaturate_background(picture: Picture) -> Frame:
    """Everything but the subject in black and white."""
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    keep = 1 - min(1.0, 1.4 * picture.strength) * (1 - picture.mask)
    return from_lab(lightness, redness * keep, warmth * keep)


def darken_background(picture: Picture) -> Frame:
    """Everything but the subject falls into the dark, as if one lamp lit the subject."""
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    keep = 1 - 0.78 * picture.strength * (1 - picture.mask)
    colour = 1 - 0.5 * picture.strength * (1 - picture.mask)
    return from_lab(np.asarray(lightness * keep, np.float32), redness * colour, warmth * colour)


def brighten_subject(picture: Picture) -> Frame:
    """The subject lit more strongly than the rest."""
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    part = np.clip(lightness / 100, 0, 1)
    lit = 100 * part ** (1 - 0.6 * picture.strength * picture.mask)
    return from_lab(np.asarray(lit, np.float32), redness, warmth)


def light_subject(picture: Picture) -> Frame:
    """Coloured light on the subject: it leans to parameters["colour"] and is a little brighter."""
    _, red, yellow = picture.colour("colour")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = picture.mask * picture.strength * ramp(lightness, 4, 50)
    part = np.clip(lightness / 100, 0, 1)
    raised = 100 * part ** (1 - 0.22 * picture.strength * picture.mask)
    return from_lab(np.asarray(raised, np.float32), redness + 0.5 * red * lit, warmth + 0.5 * yellow * lit)


def behind(look: Look) -> Look:
    """A look for the whole picture, done to everything but the subject."""

    def look_behind(picture: Picture) -> Frame:
        return blend(picture.frame, look(picture), np.asarray(1 - picture.mask, np.float32))

    return look_behind


def _recoloured(picture: Picture, region: Plane, grip: float, shade: float) -> Frame:
    target_lightness, target_redness, target_warmth = colour_of(picture.parameters["colour"])
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    amount = np.asarray(region * min(1.0, 1.2 * picture.strength), np.float32)
    mean = float(np.average(lightness, weights=region + 1e-6))
    shifted = lightness + shade * (target_lightness - mean) * amount * ramp(lightness, 0, 40)
    # A painted surface is most colourful in its middle tones: deep shadows and glints keep little of the paint.
    depth = ramp(lightness, -5, 45) * (1 - 0.55 * ramp(lightness, 78, 100))
    return from_lab(
        np.asarray(shifted, np.float32),
        mix(redness, target_redness * depth, grip * amount),
        mix(warmth, target_warmth * depth, grip * amount),
    )
