"""Where a frame lies on the picture that a network works on: one scale for both axes, and exactly back again.

Networks want sides of certain multiples, some a certain area as well, and would stretch a frame to get them; an edited
frame that is stretched by 1 % no longer lies on the video that is to follow it. Here what is missing on the right and
at the bottom is filled with the frame mirrored, and cut off afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image

from ditto_models.base import Frame


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A picture of `width` x `height` pixels, with a frame at its top left, scaled."""

    frame_width: int
    frame_height: int
    width: int
    height: int
    scale: float
    """Pixels of the picture for one of the frame."""

    def put(self, frame: Frame) -> Image.Image:
        """The picture, RGB, of a frame HWC uint8."""
        right, bottom = self.width / self.scale, self.height / self.scale
        missing = [(0, max(0, math.ceil(bottom) - self.frame_height)), (0, max(0, math.ceil(right) - self.frame_width))]
        filled = np.pad(frame, [*missing, (0, 0)], mode="symmetric")
        box = (0.0, 0.0, min(right, filled.shape[1]), min(bottom, filled.shape[0]))
        return Image.fromarray(filled).resize((self.width, self.height), Image.Resampling.LANCZOS, box)

    def take(self, picture: Frame) -> Frame:
        """The frame of a picture that has this canvas's size, both HWC uint8 RGB.

        Raises:
            ValueError: it has another size, so that nobody knows where the frame lies on it.
        """
        expected = self.height, self.width, 3
        if picture.shape != expected:
            raise ValueError(f"a network gave a picture of {picture.shape}; expected {expected} as asked")
        right, bottom = self.frame_width * self.scale, self.frame_height * self.scale
        box = (0.0, 0.0, min(right, self.width), min(bottom, self.height))
        size = self.frame_width, self.frame_height
        return np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, box))

    @property
    def used(self) -> float:
        """0..1, the part of the picture that shows the frame."""
        return self.frame_width * self.frame_height * self.scale**2 / (self.width * self.height)


def sides_of_area(pixels: int, ratio: float) -> tuple[int, int]:
    """Width and height, multiples of 32, that the Qwen image pipelines make of an area and a ratio, width to height."""
    width = math.sqrt(pixels * ratio)
    return round(width / 32) * 32, round(width / ratio / 32) * 32


def area_canvas(frame_width: int, frame_height: int, pixels: int) -> Canvas:
    """A canvas of about `pixels` that a pipeline with `sides_of_area` leaves as it is; it shows the frame as large as
    it can be.

    Raises:
        ValueError: there is none, since the frame is far too wide or too high.
    """
    first_width, first_height = sides_of_area(pixels, frame_width / frame_height)
    near = product(range(-128, 129, 32), repeat=2)
    sizes = [(first_width + x, first_height + y) for x, y in near if first_width + x > 0 and first_height + y > 0]
    kept = [size for size in sizes if sides_of_area(pixels, size[0] / size[1]) == size]
    if not kept:
        raise ValueError(f"a frame of {frame_width}x{frame_height} has no canvas of {pixels} pixels")
    return max(_canvases(frame_width, frame_height, kept, math.inf), key=lambda canvas: canvas.used)


def snug_canvas(frame_width: int, frame_height: int, multiple: int, pixels: int) -> Canvas:
    """The smallest canvas with sides of a multiple that shows the frame unscaled; where that is over `pixels`, the one
    within that shows it largest."""
    scale = min(1.0, math.sqrt(pixels / (frame_width * frame_height)))
    sizes = _sizes(frame_width * scale, frame_height * scale, multiple, pixels)
    return max(_canvases(frame_width, frame_height, sizes, 1.0), key=lambda canvas: (canvas.scale, canvas.used))


def filled_canvas(frame_width: int, frame_height: int, multiple: int, pixels: int) -> Canvas:
    """A canvas of at most `pixels`, and hardly less, with sides of a multiple, that the frame, scaled up or down, fills
    as far as it can."""
    scale = math.sqrt(pixels / (frame_width * frame_height))
    sizes = _sizes(frame_width * scale, frame_height * scale, multiple, pixels)
    return max(_canvases(frame_width, frame_height, sizes, math.inf), key=lambda canvas: (canvas.used, canvas.scale))


def _sizes(width: float, height: float, multiple: int, pixels: int) -> list[tuple[int, int]]:
    """Canvases about this size, within `pixels`; the smallest where none is."""
    choices = [{max(1, math.floor(side / multiple)), math.ceil(side / multiple)} for side in (width, height)]
    sizes = [(across * multiple, down * multiple) for across, down in product(*choices)]
    return [size for size in sizes if size[0] * size[1] <= pixels] or [min(sizes)]


def _canvases(
    frame_width: int, frame_height: int, sizes: Iterable[tuple[int, int]], largest_scale: float
) -> list[Canvas]:
    return [
        Canvas(
            frame_width=frame_width,
            frame_height=frame_height,
            width=width,
            height=height,
            scale=min(width / frame_width, height / frame_height, largest_scale),
        )
        for width, height in sizes
    ]
