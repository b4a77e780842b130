"""What makes a clip: its size and length, and the rules by which a source or a window of one is turned down.

Pure: figures in, a named reason out. `agent/survey.py` measures, `agent/sources.py` keeps the fates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.metrics.liveliness import Liveliness

Check = Literal["uneven_rate", "black", "frozen", "low_motion", "text", "unsafe", "near_duplicate"]
MIN_SIDE = 16
"""Pixels of the shorter side; flow and masks need so many."""
BLACK_BRIGHTNESS = 28.0
"""Grey level, 0..255, that even the lightest parts of a black frame stay under."""
FLAT_CONTRAST = 2.0
"""Standard deviation in grey levels, under which a frame shows nothing, whatever its colour."""
SAME_FRAME_CHANGE = 0.05
"""Mean change in grey levels, under which a frame repeats the one before: stills through H.264 reach .02."""
EMPTY_SHARE, FROZEN_SHARE = 0.1, 0.5
"""Share of a window's frames that may be black; share that one standstill may last (cartoons hold for a few)."""
GAP_LIMIT = 2.5
"""Times the median distance between frames, beyond which motion would jump."""


class IngestConfig(BaseModel):
    """What a clip is, and what is turned down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(default=49, ge=2)
    """Of every clip."""
    fps: float | None = Field(default=None, gt=0)
    """Frames a second that faster sources are brought down to, evenly; slower ones, and all where it is null, keep
    their own: no frame is ever made up."""
    max_width: int = Field(default=640, ge=16)
    """Clips are scaled down to fit; their shape is kept."""
    max_height: int = Field(default=360, ge=16)
    size_multiple: int = Field(default=2, ge=2, multiple_of=2)
    """Width and height are rounded down to multiples of it; networks want 16 or 32."""
    min_height: int = Field(default=200, ge=1)
    """Smaller sources are rejected."""
    shot_threshold: float = Field(default=27.0, gt=0)
    """PySceneDetect's ContentDetector: change of HSV between frames that makes a cut."""
    checks: tuple[Check, ...] = (
        "uneven_rate",
        "black",
        "frozen",
        "low_motion",
        "text",
        "unsafe",
        "near_duplicate",
    )
    """What a window may be dropped for."""
    min_motion: float = Field(default=0.2, ge=0)
    """Pixels a frame at 640 across that the liveliest tenth of the picture moves, on average. The calmest window of the
    sample clips (a slow pan over a city by night) has .48; of ten stills in heavy noise eight reach .1 at most, and two
    .6 and .8, which pass (`bench/clip_borders.py`)."""
    min_text_letters: int = Field(default=4, ge=1)
    """Shorter words may be noise, or lettering of the scene."""
    min_text_probability: float = Field(default=0.8, ge=0, le=1)
    max_unsafe_probability: float = Field(default=0.8, ge=0, le=1)
    """Of any look at the window; a bare arm reaches .4."""
    duplicate_bits: int = Field(default=10, ge=0, le=32)
    """Of 64, by which the fingerprints of two clips may differ on average and still be one and the same. Of the sample
    clips, copies at half the size, brighter or at a coarse bit rate differ by 4 at most, a crop by a twentieth by 5 to
    14, clips of other sources by 27 and more (`bench/clip_borders.py`)."""
    max_per_source: int = Field(default=200, ge=1)
    """Clips taken from one file; a long one is not looked at to its end."""
    follow_links: bool = False
    """Whether links that lead out of the folder are sources."""


def fitted_size(width: int, height: int, config: IngestConfig) -> tuple[int, int]:
    """The largest size of the same shape within the maximum, in multiples of `size_multiple`; never enlarged."""
    scale = min(1.0, config.max_width / width, config.max_height / height)
    multiple = config.size_multiple
    return round(width * scale) // multiple * multiple, round(height * scale) // multiple * multiple


def size_problem(width: int, height: int, config: IngestConfig) -> str:
    """Why a source of this size gives no clips; empty where it does."""
    if height < config.min_height:
        return f"too small: {width}x{height}, expected at least {config.min_height} lines"
    fitted = fitted_size(width, height, config)
    if min(fitted) < MIN_SIDE:
        return f"too narrow: {width}x{height} fits {fitted[0]}x{fitted[1]}, expected {MIN_SIDE} a side"
    return ""


def measured_problem(
    seconds: Sequence[float], looks: Sequence[Liveliness], config: IngestConfig, motion_later: bool = False
) -> str:
    """Why a window of frames shown at these `seconds` is dropped, by its figures alone; empty where it is not.

    `motion_later`: a network measures it.
    """
    rules: dict[Check, Callable[[], str]] = {
        "uneven_rate": lambda: _uneven(seconds),
        "black": lambda: _black(looks),
        "frozen": lambda: _frozen(looks[1:]),
        "low_motion": lambda: still_problem(float(np.mean([look.motion for look in looks[1:]])), config.min_motion),
    }
    if motion_later:
        del rules["low_motion"]
    found = (rule() for name, rule in rules.items() if name in config.checks)
    return next((reason for reason in found if reason), "")


def still_problem(motion: float, min_motion: float) -> str:
    """Why a window of so much motion, in pixels a frame at 640 across, is dropped; empty where it is not."""
    return f"low motion: {motion:.2f} pixels a frame, expected {min_motion:g}" if motion < min_motion else ""


def _uneven(seconds: Sequence[float]) -> str:
    gaps = np.diff(seconds)
    median, longest = float(np.median(gaps)), float(gaps.max())
    if median > 0 and longest <= GAP_LIMIT * median:
        return ""
    return f"uneven rate: a frame stands for {longest * 1000:.0f} ms where {median * 1000:.0f} ms are usual"


def _black(looks: Sequence[Liveliness]) -> str:
    empty = sum(look.brightness < BLACK_BRIGHTNESS or look.contrast < FLAT_CONTRAST for look in looks)
    return (
        f"black: {empty} of {len(looks)} frames are black or of one colour" if empty > EMPTY_SHARE * len(looks) else ""
    )


def _frozen(looks: Sequence[Liveliness]) -> str:
    longest = standing = 0
    for look in looks:
        standing = standing + 1 if look.change < SAME_FRAME_CHANGE else 0
        longest = max(longest, standing)
    return f"frozen: {longest} frames in a row repeat the one before" if longest > FROZEN_SHARE * len(looks) else ""
