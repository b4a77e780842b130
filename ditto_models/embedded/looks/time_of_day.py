"""Night, dawn, noon, golden hour, sunset and dusk as maps of colour, so that one table carries them through a clip."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, from_lab, from_rgb, mix, near_hue, ramp

MOONLIGHT = np.array([0.5, 0.8, 1.5], np.float32)
MOONLIT_KEEPS = 0.24
"""Share of the light that a moonlit night has left."""
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def night(picture: Picture) -> Frame:
    """Day for night: exposure down, highlights held, colours drained towards blue; red and orange lamps stay lit.

    parameters["moon"], 0..1: from hardly any light to a clear blue moon.
    """
    amount, moon = picture.strength, picture.number("moon")
    keeps = MOONLIT_KEEPS * (0.42 + 0.58 * moon)
    tint = np.asarray(1 + (MOONLIGHT - 1) * (0.4 + 0.6 * moon), np.float32)
    light = picture.rgb**2.2
    grey = (light @ LUMA)[..., None]
    drained = light + (grey - light) * (0.6 * amount)
    tinted = drained * (1 + (tint - 1) * amount)
    exposed = tinted * (1 - (1 - keeps) * amount)
    held = exposed / (1 + 2.0 * amount * exposed)
    dark = held ** ((1 + 0.22 * amount) / 2.2)
    lamps = near_hue(picture, 35, 40, 40) * ramp(picture.lab[..., 0], 35, 55)
    kept = (0.85 * lamps * amount)[..., None]
    return from_rgb(np.asarray(dark + (picture.rgb * 0.9 - dark) * kept, np.float32))


def dusk(picture: Picture) -> Frame:
    """Blue hour: darker, bluer and softer than day, with every shape still readable."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lightness = lightness * (1 - 0.42 * amount) + 3 * amount * ramp(lightness, 0, 60)
    redness = redness * (1 - 0.5 * amount) + 2 * amount
    warmth = warmth * (1 - 0.5 * amount) - amount * (10 + 12 * ramp(lightness, 8, 45))
    return from_lab(lightness, redness, warmth)


def golden_hour(picture: Picture) -> Frame:
    """Low warm sun: gold in the lights, warm brown in the shadows, blue sky turned to peach.

    parameters["late"], 0..1: from the warm light of an afternoon to the last hour of sun.
    """
    amount = picture.strength * (0.55 + 0.45 * picture.number("late"))
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 15, 80)
    blue = near_hue(picture, 270, 75, 4) * amount
    redness = mix(redness, 12, 0.85 * blue) + amount * (4 + 8 * lit)
    warmth = mix(warmth, 8, 0.85 * blue) + amount * (8 + 20 * lit)
    redness = redness + 9 * amount * near_hue(picture, 115, 45)
    contrast = 50 + (lightness - 50) * (1 + 0.12 * amount) - 3 * amount
    return from_lab(np.asarray(contrast, np.float32), redness, warmth)


def sunset(picture: Picture) -> Frame:
    """The last light: darker, orange and pink in the lights, violet in the shadows.

    parameters["violet"], 0..1: from an orange sky to a magenta one.
    """
    amount, violet = picture.strength, picture.number("violet")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 25, 75)
    blue = near_hue(picture, 270, 75, 4) * amount
    rose = np.asarray(6 + 9 * lit + violet * (7 + 3 * lit), np.float32)
    glow = np.asarray(-5 + 27 * lit - violet * (11 + 17 * lit), np.float32)
    redness = mix(redness, 18, 0.85 * blue) * (1 - 0.25 * amount) + amount * rose
    warmth = mix(warmth, 12 - 26 * violet, 0.85 * blue) * (1 - 0.25 * amount) + amount * glow
    redness = redness + 10 * amount * near_hue(picture, 115, 45)
    darker = lightness * (1 - 0.26 * amount) + 4 * amount * ramp(lightness, 60, 95)
    return from_lab(darker, redness, warmth)


def dawn(picture: Picture) -> Frame:
    """First light: soft and a little dim, lilac in the shadows, pale rose in the lights."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 20, 80)
    soft = 46 + (lightness - 50) * (1 - 0.3 * amount) + (1 - amount) * 4
    redness = redness * (1 - 0.5 * amount) + amount * (8 + 4 * lit)
    warmth = warmth * (1 - 0.55 * amount) + amount * (-13 + 13 * lit)
    return from_lab(np.asarray(soft, np.float32), redness, warmth)


def noon(picture: Picture) -> Frame:
    """A high hard sun: bright lights, colours a little bleached, shadows kept deep."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 22, 62)
    bright = lightness + amount * (20 * lit * (1 - ramp(lightness, 58, 100)) - 6 * (1 - lit))
    colour = 1 - 0.15 * amount * lit
    return from_lab(np.asarray(bright, np.float32), redness * colour + amount * lit, warmth * colour + 5 * amount * lit)
