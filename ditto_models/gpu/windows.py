"""Overlapping windows over a video of any length, for networks that make so many frames at once; mixed where they meet.

Pure numbers. The frames of two windows that overlap are cross-faded, so that one look turns into the next by and by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ditto_models.gpu.geometry import WAN, Grid, fitting_lengths


@dataclass(frozen=True, kw_only=True)
class Window:
    """Frames of a video that are made at once."""

    begin: int
    """Its first frame."""
    frames: int
    """How many are made: what the network takes, 4k+1."""
    shown: int
    """How many of them are the video's: fewer than are made only where the whole video is shorter."""
    weights: tuple[float, ...]
    """Of each frame that is shown, above 0 to 1; those of all windows at one frame sum to 1."""

    @property
    def end(self) -> int:
        """After its last frame that is shown."""
        return self.begin + self.shown


def windows(length: int, longest: int, overlap: int, grid: Grid = WAN) -> tuple[Window, ...]:
    """As few windows over `length` frames as do, of one length, at most `longest`, `overlap` frames or more in common.

    They are as short as that allows, so that hardly a frame is made twice in vain.

    Raises:
        ValueError: there is no frame, `longest` is not one that the network takes, or more than half would overlap.
    """
    if length < 1:
        raise ValueError(f"a video of {length} frames has no windows; expected at least 1 frame")
    if longest < 1 or longest % grid.frames_step != 1 % grid.frames_step:
        raise ValueError(f"windows of {longest} frames; expected {grid.frames_step}k+1, for example 81")
    if not 0 <= overlap <= longest // 2:
        raise ValueError(f"windows of {longest} frames overlap by {overlap}; expected 0 to {longest // 2}")
    count = max(1, -(-(length - overlap) // (longest - overlap)))
    frames = _fitting(-(-(length + (count - 1) * overlap) // count), grid)
    # Of one window alone begin is 0, whatever it is divided by.
    begins = [number * (length - frames) // max(1, count - 1) for number in range(count)]
    shown = min(frames, length)
    return tuple(
        Window(begin=begin, frames=frames, shown=shown, weights=weights)
        for begin, weights in zip(begins, _weights(begins, shown, length), strict=True)
    )


def _fitting(length: int, grid: Grid) -> int:
    """The least length from this up that a network takes."""
    return next(fit for fit in fitting_lengths(length, grid) if fit >= length)


def _weights(begins: Sequence[int], shown: int, length: int) -> Iterator[tuple[float, ...]]:
    """By window: rising and falling over what it shares with a neighbour, as a share of all at that frame."""
    shared = [0, *(before + shown - after for before, after in pairwise(begins)), 0]
    raw = [
        [min(1.0, (place + 1) / (before + 1), (shown - place) / (after + 1)) for place in range(shown)]
        for before, after in pairwise(shared)
    ]
    sums = [0.0] * length
    for begin, weights in zip(begins, raw, strict=True):
        for place, weight in enumerate(weights):
            sums[begin + place] += weight
    for begin, weights in zip(begins, raw, strict=True):
        yield tuple(weight / sums[begin + place] for place, weight in enumerate(weights))
