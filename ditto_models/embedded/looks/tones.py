"""The picture in one or two colours, in false colours, or with one colour kept."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, blend, from_lab, mix, near_hue, ramp

HEAT = np.array(
    [[5, 4, 35], [58, 10, 110], [150, 22, 110], [222, 60, 50], [250, 140, 20], [252, 215, 60], [255, 252, 215]],
    np.float32,
)
"""Colours of a thermal camera from cold to hot, RGB."""


def duotone(picture: Picture) -> Frame:
    """Two inks: darks in parameters["colour"], lights in parameters["light"]."""
    dark, light = picture.colour("colour"), picture.colour("light")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    amount = min(1.0, 1.25 * picture.strength)
    darkest = 0.55 * dark[0]
    inked = darkest + (light[0] - darkest) * ramp(lightness, -6, 98)
    # The dark ink is at its fullest in the middle tones, where a picture has most of its pixels.
    full, lit = ramp(lightness, 0, 22), ramp(lightness, 38, 92)
    red, yellow = (full * (one + (other - one) * lit) for one, other in zip(dark[1:], light[1:], strict=True))
    return from_lab(mix(lightness, inked, amount), mix(redness, red, amount), mix(warmth, yellow, amount))


def tint(picture: Picture) -> Frame:
    """A coloured filter before the lens: everything leans to parameters["colour"], colours stay apart."""
    _, red, yellow = picture.colour("colour")
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    amount = picture.strength
    lean = 0.62 * amount * ramp(lightness, -8, 30) * (1 - 0.5 * ramp(lightness, 82, 104))
    keep = 1 - 0.5 * amount
    return from_lab(lightness * (1 - 0.05 * amount), redness * keep + red * lean, warmth * keep + yellow * lean)


def heat_map(picture: Picture) -> Frame:
    """Dark to bright as cold to hot: violet, red, orange, yellow, white."""
    amount = min(1.0, 1.25 * picture.strength)
    part = np.clip(cv2.GaussianBlur(picture.lab[..., 0], (0, 0), 0.8) / 92, 0, 1) * (len(HEAT) - 1)
    places = np.arange(len(HEAT))
    false = np.dstack([np.interp(part, places, HEAT[:, channel]) for channel in range(3)])
    return blend(picture.frame, false.round().astype(np.uint8), amount)


def night_vision(picture: Picture) -> Frame:
    """An image intensifier: everything in bright phosphor green, shadows opened."""
    amount = min(1.0, 1.25 * picture.strength)
    lightness = picture.lab[..., 0]
    gained = 100 * np.clip(lightness / 100, 0, 1) ** 0.72 * 0.92
    room = ramp(gained, 0, 35) * (1 - 0.6 * ramp(gained, 78, 100))
    green = from_lab(np.asarray(gained, np.float32), -48 * room, 40 * room)
    return blend(picture.frame, green, amount)


def infrared(picture: Picture) -> Frame:
    """Infrared film: greenery glows white, blue goes nearly black, no colour is left."""
    amount = min(1.0, 1.25 * picture.strength)
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    green, blue = near_hue(picture, 122, 62, 8), cv2.GaussianBlur(near_hue(picture, 270, 75, 10), (0, 0), 1.5)
    glowing = mix(lightness, 58 + 0.42 * lightness, green * amount)
    dark = mix(glowing, 0.45 * glowing, np.asarray(blue * amount, np.float32))
    toned = 50 + (dark - 50) * (1 + 0.12 * amount)
    keep = max(0.0, 1 - 1.4 * amount)
    return from_lab(np.asarray(toned, np.float32), redness * keep, warmth * keep)


def one_colour_left(picture: Picture) -> Frame:
    """Only colours within parameters["width"] degrees of hue parameters["hue"] stay; the rest is black and white."""
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    kept = near_hue(picture, picture.number("hue"), picture.number("width"), 8)
    kept = np.asarray(cv2.GaussianBlur(kept, (0, 0), 1.2), np.float32)
    drop = min(1.0, 1.4 * picture.strength) * (1 - kept)
    return from_lab(lightness, redness * (1 - drop), warmth * (1 - drop))
