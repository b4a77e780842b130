"""Night, dusk, golden hour and sunset as maps of colour, so that one table carries them through a clip."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, from_lab, from_rgb, mix, near_hue, ramp

MOONLIGHT = np.array([0.5, 0.8, 1.5], np.float32)
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def night(picture: Picture) -> Frame:
    """Day for night: exposure down, highlights held, colours drained towards blue; red and orange lamps stay lit."""
    amount = picture.strength
    light = picture.rgb**2.2
    grey = (light @ LUMA)[..., None]
    drained = light + (grey - light) * (0.6 * amount)
    tinted = drained * (1 + (MOONLIGHT - 1) * amount)
    exposed = tinted * (1 - 0.76 * amount)
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
    """Low warm sun: gold in the lights, warm brown in the shadows, blue sky turned to peach."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 15, 80)
    blue = near_hue(picture, 270, 75, 4) * amount
    redness = mix(redness, 12, 0.85 * blue) + amount * (4 + 8 * lit)
    warmth = mix(warmth, 8, 0.85 * blue) + amount * (8 + 20 * lit)
    redness = redness + 9 * amount * near_hue(picture, 115, 45)
    contrast = 50 + (lightness - 50) * (1 + 0.12 * amount) - 3 * amount
    return from_lab(np.asarray(contrast, np.float32), redness, warmth)


def sunset(picture: Picture) -> Frame:
    """The last light: darker, orange and pink in the lights, violet in the shadows."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 25, 75)
    blue = near_hue(picture, 270, 75, 4) * amount
    redness = mix(redness, 18, 0.85 * blue) * (1 - 0.25 * amount) + amount * (6 + 9 * lit)
    warmth = mix(warmth, 12, 0.85 * blue) * (1 - 0.25 * amount) + amount * (-5 + 27 * lit)
    redness = redness + 10 * amount * near_hue(picture, 115, 45)
    darker = lightness * (1 - 0.26 * amount) + 4 * amount * ramp(lightness, 60, 95)
    return from_lab(darker, redness, warmth)
