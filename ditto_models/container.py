"""An open video file: its first video stream, its rate, and the frames that are shown between two moments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ditto_models.hardware_decoder import CPU, check_device, hardware

SEEK_MARGINS_SECONDS = (1.0, 12.0)
"""How far before a wanted frame to begin. A seek may land after it where the index is coarse (MPEG streams) or where
no frame can be decoded for itself; then the next is tried, and at last the whole file before the frame."""


class VideoError(ValueError):
    """A video cannot be read or written; the message says what, what was expected and what to do."""


@contextmanager
def opened(path: Path | str, device: str = CPU) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its first video stream, decoded on the CPU, or on cuda:N as far as that can.

    Raises:
        VideoError: the file is not a readable video.
        HardwareError: the device does not decode any more.
    """
    try:
        if not Path(path).is_file():  # a pipe would wait for ever, a folder is no video
            raise VideoError(f"{str(path)!r} is not a file; expected a video")
        # A title in another encoding than UTF-8 is nobody's business here.
        with av.open(str(path), metadata_errors="replace", hwaccel=hardware(device)) as container:
            if not container.streams.video:
                raise VideoError(unreadable(path, "it holds no video stream"))
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        if device != CPU:
            check_device(device)  # else the device would make every file unreadable
        raise VideoError(unreadable(path, error.strerror or str(error))) from error


def unreadable(path: Path | str, why: str) -> str:
    """What to say of a file that is no video, or a damaged one."""
    return f"cannot read {str(path)!r} as a video: {why}; expected a whole file that ffmpeg can decode, replace it"


def rate_of(stream: VideoStream, path: Path | str) -> float:
    """Frames a second, on average.

    Raises:
        VideoError: the file names none.
    """
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise VideoError(unreadable(path, "it names no frame rate"))
    return float(rate)


def between(
    container: InputContainer,
    stream: VideoStream,
    start_seconds: float,
    end_seconds: float,
    fps: float,
    device: str = CPU,
) -> Iterator[VideoFrame]:
    """Frames shown from start up to end, in seconds from the first; a rounding error never moves the window."""
    half_frame = 0.5 / fps
    for shown_seconds, frame in _from_before(container, stream, start_seconds, fps, device):
        if shown_seconds >= end_seconds - half_frame:
            return
        # Frames of a variable rate may lie closer than the usual half: the one before must not slip in.
        if shown_seconds >= start_seconds - half_frame / 2:
            yield frame


def _from_before(
    container: InputContainer, stream: VideoStream, start_seconds: float, fps: float, device: str
) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their seconds after the first, from one before `start_seconds` on, or from the first."""
    frames = _shown(container.decode(stream), fps)
    first = next(frames, None)
    if first is None:
        return
    # Not the stream's own start: some containers say 0 where the first frame is shown later.
    origin_seconds = first[0]
    if start_seconds <= SEEK_MARGINS_SECONDS[0] or first[1].time is None:
        yield from ((shown - origin_seconds, frame) for shown, frame in chain([first], frames))
        return
    for margin in SEEK_MARGINS_SECONDS:
        frames = _shown(_sought(container, stream, origin_seconds + max(0.0, start_seconds - margin)), fps)
        first = next(frames, None)
        if first is not None and first[0] - origin_seconds <= start_seconds + 0.25 / fps:
            yield from ((shown - origin_seconds, frame) for shown, frame in chain([first], frames))
            return
    with opened(container.name, device) as (again, stream_again):
        for shown, frame in _shown(again.decode(stream_again), fps):
            yield shown - origin_seconds, frame


def _sought(container: InputContainer, stream: VideoStream, seconds: float) -> Iterator[VideoFrame]:
    """Frames from about there on; none where it cannot be sought."""
    try:
        container.seek(int(seconds * av.time_base))
    except (av.FFmpegError, OSError):
        return
    yield from container.decode(stream)


def _shown(frames: Iterator[VideoFrame], fps: float) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with the seconds they are shown at, counted where the file does not say."""
    position = -1 / fps
    for frame in frames:
        position = frame.time if frame.time is not None else position + 1 / fps
        yield position, frame
