"""A file's frames in passing: small, one at a time, to the end of what can be decoded."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from ditto_models.base import Frame
from ditto_models.container import VideoError, between, opened, rate_of, unreadable
from ditto_models.hardware_decoder import CPU
from ditto_models.video import fill, rgb

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, kw_only=True)
class SmallFrame:
    """One frame as it is walked past: when it is shown, from the first frame on, and HWC uint8 BGR."""

    seconds: float
    bgr: Frame


def walk(path: Path | str, width: int, device: str = CPU) -> Iterator[SmallFrame]:
    """Every frame of a file in turn, reduced to `width` pixels across; memory does not grow with its length.

    What a damaged file can no longer decode is left out; it ends where nothing more comes.

    Raises:
        VideoError: the file is not a readable video, or its frames change size.
        HardwareError: the device does not decode any more.
    """
    with opened(path, device) as (container, stream):
        fps = rate_of(stream, path)
        sizes: set[tuple[int, int, int]] = set()
        origin_seconds: float | None = None
        for number, frame in enumerate(_decodable(container, stream)):
            sizes.add((frame.width, frame.height, frame.rotation))
            if len(sizes) > 1:
                raise VideoError(unreadable(path, "its frames change size"))
            shown = frame.time if frame.time is not None else number / fps
            origin_seconds = shown if origin_seconds is None else origin_seconds
            yield SmallFrame(seconds=shown - origin_seconds, bgr=_small(frame, width))


@dataclass(frozen=True, kw_only=True)
class Glimpses:
    """Some frames of a window, by their places in it, HWC uint8 RGB; and how many frames it has in all."""

    at: dict[int, Frame]
    frames: int


def glimpse(
    path: Path | str,
    clip_seconds: tuple[float, float],
    places: Collection[int],
    size: Size,
    device: str = CPU,
) -> Glimpses:
    """The frames at these places of the window shown in [start, end), scaled to `size` (width, height).

    All of the window is decoded, but only these frames are turned into pictures, which is what takes the time.

    Raises:
        VideoError: the file is not a readable video.
        HardwareError: the device does not decode any more.
    """
    at, number = {}, 0
    with opened(path, device) as (container, stream):
        for frame in between(container, stream, *clip_seconds, rate_of(stream, path), device):
            if number in places:
                at[number] = fill(rgb(frame), *size)
            number += 1
    return Glimpses(at=at, frames=number)


def _decodable(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    frames = container.decode(stream)
    begun = False
    while True:
        try:
            frame = next(frames, None)
        except av.InvalidDataError:  # the rest is cut off or damaged
            if begun:
                return
            raise
        if frame is None:
            return
        begun = True
        yield frame


def _small(frame: VideoFrame, width: int) -> Frame:
    sideways = frame.rotation % 180 != 0
    shown_width = frame.height if sideways else frame.width
    scale = min(1.0, width / shown_width)
    size = (max(2, round(frame.width * scale)), max(2, round(frame.height * scale)))
    small = frame.reformat(*size, format="bgr24", interpolation=Interpolation.AREA, threads=1).to_ndarray()
    return np.ascontiguousarray(np.rot90(small, k=round(frame.rotation / 90)), dtype=np.uint8)
