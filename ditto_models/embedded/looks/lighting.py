"""How much light there is, over the whole picture."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frame
from ditto_models.embedded.looks.picture import Picture, from_lab, ramp


def low_key(picture: Picture) -> Frame:
    """Moody: most of the picture sinks towards dark, the brightest parts stand out."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    kept = 1 - amount * (0.88 - 0.76 * ramp(lightness, 40, 92))
    colour = 1 - 0.25 * amount
    return from_lab(lightness * kept, redness * colour, warmth * colour)


def high_key(picture: Picture) -> Frame:
    """Bright and airy: shadows opened, lights kept from burning out."""
    amount = picture.strength
    lightness, redness, warmth = (picture.lab[..., channel] for channel in range(3))
    part = np.clip(lightness / 100, 0, 1)
    opened = 100 * part ** (1 - 0.56 * amount)
    opened = opened + 7 * amount * (1 - part)
    return from_lab(np.asarray(opened, np.float32), redness * (1 + 0.1 * amount), warmth * (1 + 0.1 * amount))
