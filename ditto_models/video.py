"""Reading and writing of videos: any file FFmpeg knows to frames of one size, and frames to H.264.

Frames_THWC and Frame_HWC are uint8 RGB, as in base.py. Colours are converted by the file's own tags, and what
is written is tagged BT.709, so that a source and its edit never differ by a colour matrix.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from av.video.stream import VideoStream

from ditto_models.base import Frame, Frames
from ditto_models.container import VideoError as VideoError
from ditto_models.container import between, opened, rate_of, unreadable

# Untagged files follow the convention of players: BT.601 for standard definition, BT.709 above.
STANDARD_DEFINITION_HEIGHT = 576
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
# FFmpeg's AVCOL_SPC_UNSPECIFIED.
UNTAGGED = 2
# The faster defaults of swscale darken every round trip by more than one level.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
EXACT_SMALLER = EXACT & ~Interpolation.BICUBIC | Interpolation.AREA


@dataclass(frozen=True, kw_only=True)
class Video:
    """Frames_THWC uint8 RGB, and their rate in frames a second."""

    frames: Frames
    fps: float


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a file says of its first video stream; width and height are as displayed, in pixels."""

    width: int
    height: int
    fps: float
    frames: int
    duration_seconds: float
    codec: str
    promised_seconds: float | None
    """What the header says of the video stream's length, which need not be true; None where it says nothing."""


def probe(path: Path | str) -> Probe:
    """Size, rate, number of frames, duration and codec of a file.

    Raises:
        VideoError: the file is not a readable video.
    """
    with opened(path) as (container, stream):
        fps = rate_of(stream, path)
        first = next(container.decode(stream), None)
        if first is None:
            raise VideoError(unreadable(path, "it holds no frame"))
        sideways = first.rotation % 180 != 0
        width, height = (first.height, first.width) if sideways else (first.width, first.height)
        frames = stream.frames or _count_packets(path)
        codec = stream.codec_context.name
        promised = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    return Probe(
        width=width,
        height=height,
        fps=fps,
        frames=frames,
        duration_seconds=frames / fps,
        codec=codec,
        promised_seconds=promised,
    )


def read(path: Path | str) -> Video:
    """All frames of a file at its own size, THWC uint8 RGB.

    Raises:
        VideoError: the file is not a readable video.
    """
    with opened(path) as (container, stream):
        frames = [rgb(frame) for frame in container.decode(stream)]
        return Video(frames=_stacked(frames, path), fps=rate_of(stream, path))


def read_window(
    path: Path | str,
    start_seconds: float,
    end_seconds: float | None,
    max_frames: int,
    width: int,
    height: int,
    most_fps: float | None = None,
) -> Video:
    """The frames shown in [start, end), at most `max_frames` of them, THWC uint8 RGB of exactly this size.

    Seconds count from the first frame. Another shape of picture is cropped about its centre, never stretched. Of a file
    of a higher rate than `most_fps`, so many frames a second are taken (`places_at`).

    Raises:
        VideoError: the file is not a readable video, or nothing is shown in the window.
    """
    if max_frames < 1 or width < 1 or height < 1:
        raise VideoError(f"a window of {max_frames} frames of {width}x{height}: each number must be at least 1")
    with opened(path) as (container, stream):
        fps = rate_of(stream, path)
        last_seconds = float("inf") if end_seconds is None else end_seconds
        shown = between(container, stream, start_seconds, last_seconds, fps)
        places = places_at(max_frames, fps, most_fps)
        taken = frozenset(places)
        frames = [
            fill(rgb(frame), width, height)
            for place, frame in enumerate(islice(shown, places[-1] + 1))
            if place in taken
        ]
    if not frames:
        message = f"{str(path)!r} shows nothing from {start_seconds:g} s to {end_seconds} s; choose an earlier window"
        raise VideoError(message)
    return Video(frames=_stacked(frames, path), fps=fps if most_fps is None else min(fps, most_fps))


def places_at(frames: int, fps: float, most_fps: float | None) -> tuple[int, ...]:
    """Which frames at `fps` make so many at `most_fps`: at each moment the one that is shown; all of a slower one."""
    step = 1.0 if most_fps is None else max(1.0, fps / most_fps)
    return tuple(int(number * step + 1e-6) for number in range(frames))


def write(path: Path | str, frames: Frames, fps: float, crf: int = 12, only_key_frames: bool = False) -> None:
    """Writes THWC uint8 RGB frames as H.264 yuv420p in MP4.

    Equal frames give equal bytes at 640x360 and 128x96, and not always at 320x240 or 64x48: there x264's macroblock
    tree varies from run to run (mbtree=0 cures it and makes files half as large again).


    `crf` is x264's constant rate factor: 0 is lossless but for chroma, 12 is not told from the original by eye.
    With `only_key_frames` each frame stands alone, so that players find every one of them at once.

    Raises:
        VideoError: no frames, not THWC uint8 RGB, an odd size, a rate that is not positive, or a file that
            cannot be written.
        OSError: the disk is full, read-only or broken.
    """
    _check_writable(path, frames, fps)
    options = {"crf": str(crf), "preset": "veryfast", "threads": "1", "x264-params": "threads=1:lookahead-threads=1"}
    if only_key_frames:
        # Of a higher profile x264 says "intra", which not every browser's decoder knows.
        options |= {"g": "1", "profile": "main"}
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            tag(stream)
            for frame in frames:
                container.mux(stream.encode(yuv(frame)))
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        if error.errno in DISK_ERRORS:
            raise OSError(error.errno, f"cannot write {str(path)!r}: {error.strerror}") from error
        raise VideoError(
            f"cannot write {str(path)!r}: {error.strerror or error}; check its folder and free space"
        ) from error


def fill(frame: Frame, width: int, height: int) -> Frame:
    """The frame scaled to cover width x height pixels and cropped about its centre, HWC uint8."""
    frame_height, frame_width = frame.shape[:2]
    if (frame_height, frame_width) == (height, width):
        return frame
    scale = max(width / frame_width, height / frame_height)
    crop_width, crop_height = min(frame_width, round(width / scale)), min(frame_height, round(height / scale))
    left, top = (frame_width - crop_width) // 2, (frame_height - crop_height) // 2
    cropped = frame[top : top + crop_height, left : left + crop_width]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cropped, (width, height), interpolation=kind), dtype=np.uint8)


def _count_packets(path: Path | str) -> int:
    with opened(path) as (container, stream):
        return sum(1 for packet in container.demux(stream) if packet.size)


def rgb(frame: VideoFrame, size: tuple[int, int] | None = None) -> Frame:
    """The picture of a decoded frame as shown, HWC uint8; `size` (width, height, before it is turned) makes it smaller.

    Of a 4K frame made smaller on the way that takes an eighth of the time that it takes afterwards.
    """
    colorspace = Colorspace.ITU601 if frame.height <= STANDARD_DEFINITION_HEIGHT else Colorspace.ITU709
    tagged = frame.colorspace != UNTAGGED
    width, height = size or (frame.width, frame.height)
    pixels = frame.to_ndarray(
        format="rgb24",
        width=width,
        height=height,
        src_colorspace=None if tagged else colorspace,
        interpolation=EXACT if size is None else EXACT_SMALLER,
        threads=1,
    )
    upright = np.rot90(pixels, k=round(frame.rotation / 90))
    return np.ascontiguousarray(upright, dtype=np.uint8)


def yuv(frame: Frame, pixels: str = "yuv420p") -> VideoFrame:
    """A picture HWC uint8 RGB as it is encoded, in BT.709; yuv420p wants even sides."""
    image = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return image.reformat(
        format=pixels,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=EXACT,
        threads=1,
    )


def tag(stream: VideoStream) -> None:
    """Say in a stream that it is BT.709, as `yuv` makes it."""
    context = stream.codec_context
    context.colorspace = Colorspace.ITU709
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709


def _stacked(frames: list[Frame], path: Path | str) -> Frames:
    if not frames:
        raise VideoError(unreadable(path, "it holds no frame"))
    if len({frame.shape for frame in frames}) > 1:
        raise VideoError(unreadable(path, "its frames change size"))
    return np.stack(frames)


def _check_writable(path: Path | str, frames: Frames, fps: float) -> None:
    where = f"cannot write {str(path)!r}"
    if frames.ndim != 4 or frames.shape[0] < 1 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise VideoError(f"{where}: frames are {frames.dtype} {frames.shape}; expected uint8 THWC with 3 channels")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise VideoError(f"{where}: {width}x{height} is odd; yuv420p needs an even width and height, crop a line")
    if not fps > 0:
        raise VideoError(f"{where}: {fps} frames a second; expected a positive rate")
