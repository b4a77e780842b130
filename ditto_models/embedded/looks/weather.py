"""Fog, haze, dust and a covered sky."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, from_lab, mix, near_hue, ramp


def fog(picture: Picture) -> Frame:
    """A veil of parameters["colour"], thinner in front (low in the picture, and on the subject) than far off.

    parameters["density"], 0..1: from haze to fog that swallows what is far.
    """
    height, width = picture.mask.shape
    _, red, yellow = picture.colour("colour")
    density = picture.number("density")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    high = 1 - np.arange(height, dtype=np.float32)[:, None] / height
    depth = np.broadcast_to(ramp(high, 0.05, 0.95), (height, width)) * (1 - 0.6 * picture.mask)
    veil = picture.strength * (0.12 + 0.36 * density + (0.3 + 0.3 * density) * depth)
    pale = 56 + 0.35 * float(np.percentile(lightness, 90))
    return from_lab(mix(lightness, pale, veil), mix(redness, red, veil), mix(warmth, yellow, veil))


def overcast(picture: Picture) -> Frame:
    """A covered sky: flat soft light, duller and cooler colours, blue above turned to grey."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    # Only clear blues, smoothed: in what is nearly grey a hue is coding noise, and would show as blocks.
    blue = cv2.GaussianBlur(near_hue(picture, 270, 75, 10), (0, 0), 2.5) * amount
    keep = (1 - 0.5 * amount) * (1 - 0.8 * blue)
    flat = 48 + (lightness - 48) * (1 - 0.28 * amount) - 3 * amount
    flat = mix(np.asarray(flat, np.float32), 68, 0.6 * blue)
    return from_lab(flat, redness * keep - amount, warmth * keep - 4 * amount)


def storm(picture: Picture) -> Frame:
    """Before a thunderstorm: dark, slate blue-green, hard, with little colour left."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    blue = cv2.GaussianBlur(near_hue(picture, 270, 75, 10), (0, 0), 2.5) * amount
    sky = np.maximum(blue, amount * ramp(lightness, 70, 95))
    dark = lightness * (1 - 0.36 * amount) * (1 - 0.28 * sky)
    keep = (1 - 0.58 * amount) * (1 - 0.7 * blue)
    return from_lab(np.asarray(dark, np.float32), redness * keep - 3 * amount, warmth * keep - 7 * amount)


def sunny(picture: Picture) -> Frame:
    """The clouds gone: warm lights, clear contrast, richer colours."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    lit = ramp(lightness, 25, 75)
    clear = lightness + amount * (15 * lit * (1 - ramp(lightness, 60, 100)) - 3 * (1 - lit))
    rich = 1 + 0.35 * amount
    return from_lab(np.asarray(clear, np.float32), redness * rich + 3 * amount * lit, warmth * rich + 14 * amount * lit)
