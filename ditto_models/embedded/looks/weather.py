"""Fog and a grey sky."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, from_lab, mix, near_hue, ramp


def fog(picture: Picture) -> Frame:
    """Pale fog, thinner in front (low in the picture, and on the subject) than far off."""
    height, width = picture.mask.shape
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    high = 1 - np.arange(height, dtype=np.float32)[:, None] / height
    depth = np.broadcast_to(ramp(high, 0.05, 0.95), (height, width)) * (1 - 0.6 * picture.mask)
    veil = picture.strength * (0.34 + 0.5 * depth)
    pale = 62 + 0.35 * float(np.percentile(lightness, 90))
    return from_lab(mix(lightness, pale - 6, veil), mix(redness, -1, veil), mix(warmth, -2, veil))


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
