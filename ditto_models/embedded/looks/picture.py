"""What every look works on: one frame as colour arrays, and the few operations on them that looks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Mask

Plane = NDArray[np.float32]
"""One value a pixel, HW float32."""
Values = Plane | NDArray[np.float64]
"""A plane in the making: arithmetic may have widened it."""
Colours = NDArray[np.float32]
"""Three values a pixel, HWC float32: R, G, B in 0..1, or CIE L* 0..100, a*, b*."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A frame to be edited, and how."""

    frame: Frame
    mask: Mask
    strength: float
    """0..1."""
    parameters: Mapping[str, str | float]

    @cached_property
    def rgb(self) -> Colours:
        """HWC float32 in 0..1."""
        return np.asarray(self.frame.astype(np.float32) / 255, np.float32)

    @cached_property
    def lab(self) -> Colours:
        """CIE L*a*b*, HWC float32."""
        return np.asarray(cv2.cvtColor(self.rgb, cv2.COLOR_RGB2LAB), np.float32)

    @cached_property
    def chroma(self) -> Plane:
        """Distance from grey in a*b*, HW."""
        return np.asarray(np.hypot(self.lab[..., 1], self.lab[..., 2]), np.float32)

    @cached_property
    def hue(self) -> Plane:
        """Angle in a*b*, HW, degrees 0..360: about 40 red, 100 yellow, 135 green, 280 blue."""
        return np.asarray(np.degrees(np.arctan2(self.lab[..., 2], self.lab[..., 1])) % 360, np.float32)

    def number(self, name: str) -> float:
        """A parameter that must be a number.

        Raises:
            ValueError: it is missing or no number.
        """
        value = self.parameters.get(name)
        if not isinstance(value, int | float):
            raise ValueError(f"parameter {name!r} is {value!r}: expected a number; the catalogue gives one")
        return float(value)

    def colour(self, name: str) -> tuple[float, float, float]:
        """L*, a*, b* of a parameter "#rrggbb".

        Raises:
            ValueError: it is missing or no such colour.
        """
        return colour_of(self.parameters.get(name, ""))


Look = Callable[[Picture], Frame]
"""Returns the edited frame, HWC uint8, same size; the same picture always gives the same frame."""


def from_rgb(rgb: Colours) -> Frame:
    """The frame of R, G, B in 0..1; what lies outside is clipped."""
    return np.asarray((np.clip(rgb, 0, 1) * 255).round(), np.uint8)


def from_lab(lightness: Values, redness: Values, warmth: Values) -> Frame:
    """The frame of CIE L*, a*, b*; colours beyond what a screen shows are clipped."""
    lab = np.dstack([np.clip(lightness, 0, 100), redness, warmth]).astype(np.float32)
    return from_rgb(np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32))


def lab_of_frame(frame: Frame) -> Colours:
    """CIE L*a*b*, HWC float32, of a frame."""
    return np.asarray(cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def ramp(values: Values, low: float, high: float) -> Plane:
    """0 up to `low`, 1 from `high` on, smooth between."""
    part = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), np.float32)


def near_hue(picture: Picture, centre: float, width: float, min_chroma: float = 10) -> Plane:
    """1 where the hue is `centre` degrees and the colour is clear, falling to 0 at `width` away or towards grey."""
    away = np.abs((picture.hue - centre + 180) % 360 - 180)
    near = 1 - ramp(np.asarray(away, np.float32), width * 0.55, width)
    return np.asarray(near * ramp(picture.chroma, min_chroma, min_chroma + 10), np.float32)


def mix(first: Values, second: Values | float, amount: Values | float) -> Plane:
    """`first` where `amount` is 0, `second` where it is 1."""
    return np.asarray(first + (second - first) * amount, np.float32)


def blend(first: Frame, second: Frame, amount: Plane | float) -> Frame:
    """`first` where `amount` is 0, `second` where it is 1, of two frames."""
    weight = amount[..., None] if isinstance(amount, np.ndarray) else amount
    return np.asarray((first + (second.astype(np.float32) - first) * weight).round(), np.uint8)


def colour_of(value: str | float) -> tuple[float, float, float]:
    """L*, a*, b* of "#rrggbb".

    Raises:
        ValueError: it is not such a colour.
    """
    text = str(value)
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"colour {value!r}: expected '#rrggbb'")
    pixel = np.array([[[int(text[at : at + 2], 16) for at in (1, 3, 5)]]], np.uint8)
    lab = lab_of_frame(pixel)[0, 0]
    return float(lab[0]), float(lab[1]), float(lab[2])
