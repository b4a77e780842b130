"""Gross faults of a video: black, repeated, clipped or banded frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ditto_models.base import Frame, Frames

BLACK_LEVEL = 8.0
"""Brightest percentile of grey, in levels, at or below which a frame shows nothing."""
SAME_LEVELS = 0.12
"""Mean difference, in levels, below which two frames are the same but for coding noise."""
MOVING_LEVELS = 0.4
EVERY = 4


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """Shares of the clip, 0..1, each beyond what the source itself has."""

    black: float
    repeated: float
    """Frames equal to the one before, where the source's are not."""
    clipped: float
    """Pixels with a channel pinned to 0 or 255."""
    banded: float
    """Grey levels, among those within the picture's range, that hardly occur: posterised gradients."""


def integrity(source: Frames, edited: Frames) -> Integrity:
    """Faults of THWC uint8 RGB `edited` that `source` does not have."""
    some = slice(None, None, EVERY)
    return Integrity(
        black=_beyond([is_black(frame) for frame in edited], [is_black(frame) for frame in source]),
        repeated=_repeated(source, edited),
        clipped=_beyond([clipped(frame) for frame in edited[some]], [clipped(frame) for frame in source[some]]),
        banded=_beyond([banded(frame) for frame in edited[some]], [banded(frame) for frame in source[some]]),
    )


def is_black(frame: Frame) -> bool:
    """Whether a frame shows nothing at all."""
    return float(np.percentile(frame[::4, ::4], 99)) <= BLACK_LEVEL


def clipped(frame: Frame) -> float:
    """Share of pixels that are pure white, or pure black, in grey."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return float(((grey >= 254) | (grey <= 1)).mean())


def banded(frame: Frame) -> float:
    """Share of grey levels between the 2nd and 98th percentile that almost no pixel has."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    low, high = (int(level) for level in np.percentile(grey, (2, 98)))
    if high - low < 16:
        return 0.0
    counts = np.bincount(grey.ravel(), minlength=256)[low : high + 1]
    return float((counts < 0.1 * counts.mean()).mean())


def _repeated(source: Frames, edited: Frames) -> float:
    if len(edited) < 2:
        return 0.0
    steps = [_difference(source[index - 1 : index + 1]) for index in range(1, len(source))]
    edited_steps = [_difference(edited[index - 1 : index + 1]) for index in range(1, len(edited))]
    pairs = zip(steps, edited_steps, strict=True)
    return float(np.mean([before > MOVING_LEVELS and after < SAME_LEVELS for before, after in pairs]))


def _difference(pair: Frames) -> float:
    return float(np.mean(cv2.mean(cv2.absdiff(pair[0], pair[1]))[:3]))


def _beyond(edited: list[float] | list[bool], source: list[float] | list[bool]) -> float:
    return max(0.0, float(np.mean(edited)) - float(np.mean(source)))
