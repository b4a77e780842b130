"""Which videos the Wan networks can take as they are: 4k+1 frames, height and width in multiples of 16, within limits.

diffusers makes others fit by itself: it shrinks, trims or rounds them with a warning at most, and the result no longer
lies over its source. So nothing that does not fit gets that far; ingest cuts clips that do.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frames

FRAMES_STEP = 4
"""The VAE turns one frame, then each further four, into one of its own."""
SIDE_STEP = 16
"""8 pixels to one of the VAE's, 2 of those to a patch of the transformer."""


class UnfitVideo(ValueError):
    """A video that this network cannot take as it is; the message says what would fit."""


class LargestVideo(BaseModel):
    """The largest video that is tried at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(default=121, ge=1)
    """Beyond 81 Wan was hardly trained; Ditto's videos have 101."""
    pixels: int = Field(default=1280 * 720, ge=SIDE_STEP**2)
    """Of one frame."""


def check_video(name: str, frames: Frames, largest: LargestVideo) -> None:
    """Refuses a video, THWC uint8 RGB, that the network of this name cannot take as it is.

    Raises:
        UnfitVideo: its frames, height or width do not fit, or it is too large.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != "uint8":
        raise UnfitVideo(f"{name} was given {frames.dtype} of shape {frames.shape}; expected a video, THWC uint8 RGB")
    length, height, width = frames.shape[:3]
    if length % FRAMES_STEP != 1:
        fitting = " or ".join(map(str, fitting_lengths(length)))
        raise UnfitVideo(f"the video has {length} frames; {name} needs 4k+1, for example {fitting}: cut the clip so")
    if height % SIDE_STEP or width % SIDE_STEP or not height * width:
        fitting = " or ".join(f"{w}x{h}" for w, h in zip(fitting_sides(width), fitting_sides(height), strict=True))
        raise UnfitVideo(
            f"the video is {width}x{height}; {name} needs multiples of {SIDE_STEP}, for example {fitting}: scale it so"
        )
    if length > largest.frames or height * width > largest.pixels:
        raise UnfitVideo(
            f"the video is {width}x{height} with {length} frames; {name} is set to take at most "
            f"{largest.pixels} pixels a frame and {largest.frames} frames: cut or scale the clip, or raise largest"
        )


def fitting_lengths(length: int) -> tuple[int, ...]:
    """The nearest numbers of frames that fit: the one below, where there is one, and the one above."""
    below = (length - 1) // FRAMES_STEP * FRAMES_STEP + 1
    return tuple(fit for fit in (below, below + FRAMES_STEP) if fit > 0)


def fitting_sides(side: int) -> tuple[int, int]:
    """The nearest widths or heights that fit, below and above; equal where it fits already."""
    return max(side // SIDE_STEP, 1) * SIDE_STEP, max(-(-side // SIDE_STEP), 1) * SIDE_STEP
