"""Which videos a network can take as they are: frames and sides in steps of its own, within limits.

diffusers makes others fit by itself: it shrinks, trims or rounds them with a warning at most, and the result no longer
lies over its source. So nothing that does not fit gets that far; ingest cuts clips that do.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frames


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a network's frames and sides come in."""

    frames_step: int
    """The VAE turns one frame, then each further so many, into one of its own."""
    side_step: int
    """Pixels of a side to one patch of the transformer."""


WAN = Grid(frames_step=4, side_step=16)
"""8 pixels to one of the VAE's, 2 of those to a patch."""


class UnfitVideo(ValueError):
    """A video that this network cannot take as it is; the message says what would fit."""


class LargestVideo(BaseModel):
    """The largest video that is tried at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(default=121, ge=1)
    """Beyond 81 Wan was hardly trained; Ditto's videos have 101."""
    pixels: int = Field(default=1280 * 720, ge=16 * 16)
    """Of one frame."""


def check_video(name: str, frames: Frames, largest: LargestVideo, grid: Grid = WAN) -> None:
    """Refuses a video, THWC uint8 RGB, that the network of this name cannot take as it is.

    Raises:
        UnfitVideo: its frames, height or width do not fit, or it is too large.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != "uint8":
        raise UnfitVideo(f"{name} was given {frames.dtype} of shape {frames.shape}; expected a video, THWC uint8 RGB")
    length, height, width = frames.shape[:3]
    if length % grid.frames_step != 1:
        fitting = " or ".join(map(str, fitting_lengths(length, grid)))
        needs = f"{grid.frames_step}k+1"
        raise UnfitVideo(f"the video has {length} frames; {name} needs {needs}, for example {fitting}: cut the clip so")
    if height % grid.side_step or width % grid.side_step or not height * width:
        sides = zip(fitting_sides(width, grid), fitting_sides(height, grid), strict=True)
        fitting = " or ".join(f"{w}x{h}" for w, h in sides)
        raise UnfitVideo(
            f"the video is {width}x{height}; {name} needs multiples of {grid.side_step}, for example {fitting}: "
            "scale it so"
        )
    if length > largest.frames or height * width > largest.pixels:
        raise UnfitVideo(
            f"the video is {width}x{height} with {length} frames; {name} is set to take at most "
            f"{largest.pixels} pixels a frame and {largest.frames} frames: cut or scale the clip, or raise largest"
        )


def fitting_lengths(length: int, grid: Grid = WAN) -> tuple[int, ...]:
    """The nearest numbers of frames that fit: the one below, where there is one, and the one above."""
    below = (length - 1) // grid.frames_step * grid.frames_step + 1
    return tuple(fit for fit in (below, below + grid.frames_step) if fit > 0)


def fitting_sides(side: int, grid: Grid = WAN) -> tuple[int, int]:
    """The nearest widths or heights that fit, below and above; equal where it fits already."""
    step = grid.side_step
    return max(side // step, 1) * step, max(-(-side // step), 1) * step
