"""A stranger's video looked at and made anew, within limits. Called in a process of its own (uploads.py).

FFmpeg knows formats that name other files or addresses (playlists, lists of parts): only plain containers and codecs
are let in, and nothing but the file itself is opened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.conversation.uploads import UploadConfig
from agent.plain import plain
from ditto_models import video
from ditto_models.base import Frame
from ditto_models.executors.isolated import progress

CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,ogg,flv,mxf,asf"
CODECS = (
    "h264,hevc,vp8,vp9,libvpx-vp9,av1,libdav1d,mpeg4,mpeg2video,mpeg1video,mjpeg,prores,dnxhd,theora,vc1,wmv3,"
    "h263,flv,ffv1,msmpeg4v3"
)
THREADS = 2
"""Of the decoder: each holds frames of its own, and memory is limited."""
EARLY = 0.25
"""Ticks by which a frame may come before its own: stamps are rounded, and half a tick would take odd ones of 120."""
MOST_BITS = "40M"
"""A second, of what is kept: half a minute of noise stays under 150 MB."""


class Refused(ValueError):
    """Not taken; the message is for the person."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Of a video: pixels as shown, frames, and frames a second."""

    width: int
    height: int
    frames: int
    fps: float


def look(path: str, limits: str) -> Facts:
    """Facts of a file that was made here before.

    Raises:
        Refused: it cannot be read.
    """
    with _opened(path, UploadConfig.model_validate_json(limits)) as (_, stream, fps):
        return Facts(width=stream.width, height=stream.height, frames=stream.frames, fps=fps)


def transcode(path: str, kept: str, limits: str) -> Facts:
    """Write a file's first seconds anew as H.264 at an even rate; `limits` is an UploadConfig as JSON.

    Raises:
        Refused: it is no video, or more than the limits allow.
        OSError: the disk is full, read-only or broken.
    """
    config = UploadConfig.model_validate_json(limits)
    with _opened(path, config) as (container, stream, rate):
        fps = float(Fraction(min(rate, config.keep_fps)).limit_denominator(1001))
        frames = 0
        with av.open(kept, "w", format="mp4", options={"movflags": "+faststart"}) as writing:
            out: VideoStream | None = None
            for picture in _upright(_even(_decoded(container, stream, config), fps, config), config):
                out = out or _encoder(writing, picture, fps)
                writing.mux(out.encode(video.yuv(picture)))
                frames += 1
            if out is None:
                raise Refused("the file holds no picture; expected a video, choose another one")
            writing.mux(out.encode(None))
            width, height = out.width, out.height
    if frames < 2:
        raise Refused("the file is a still picture; expected a video, choose one that moves")
    return Facts(width=width, height=height, frames=frames, fps=fps)


@contextmanager
def _opened(path: str, config: UploadConfig) -> Iterator[tuple[InputContainer, VideoStream, float]]:
    """A file, its first video stream and its rate, once its header keeps the limits."""
    options = {"format_whitelist": CONTAINERS, "codec_whitelist": CODECS, "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{Path(path).absolute()}", options=options, metadata_errors="replace") as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise Refused("the file holds no picture; expected a video, choose another one")
            fps = _checked(container, stream, config)
            stream.thread_count = THREADS
            yield container, stream, fps
    except av.FFmpegError as error:
        if error.errno in video.DISK_ERRORS:
            raise OSError(error.errno, f"cannot write the video: {error.strerror}") from error
        why = plain(error.strerror or str(error))
        raise Refused(f"the file cannot be read as a video ({why}); expected mp4, mov, webm, mkv or avi") from error


def _checked(container: InputContainer, stream: VideoStream, config: UploadConfig) -> float:
    codec = stream.codec_context
    if codec.name not in CODECS.split(","):
        raise Refused(f"the video is coded as {codec.name!r}, which is not taken; expected H.264, HEVC, VP9 or AV1")
    _check_size(codec.width, codec.height, config)
    rate = stream.average_rate or stream.guessed_rate
    if not rate or not 0 < rate <= config.max_fps:
        said = f"{float(rate):g} frames a second" if rate else "no frame rate"
        raise Refused(f"the video claims {said}; at most {config.max_fps:g} are taken, convert it")
    seconds = (container.duration or 0) / av.time_base
    if seconds > config.max_seconds:
        raise Refused(
            f"the video is {seconds / 60:.0f} minutes long; at most {config.max_seconds / 60:.0f} are taken, "
            "cut out the seconds that matter"
        )
    return float(rate)


def _check_size(width: int, height: int, config: UploadConfig) -> None:
    if max(width, height) > config.max_side or min(width, height) < config.min_side:
        raise Refused(
            f"the picture has {width} x {height} pixels; expected {config.min_side} to {config.max_side} a side, "
            "convert it"
        )


def _decoded(container: InputContainer, stream: VideoStream, config: UploadConfig) -> Iterator[VideoFrame]:
    """Frames as they come; a file that is damaged further on ends there."""
    ends = time.monotonic() + config.work_seconds
    frames, size = container.decode(stream), None
    while True:
        progress()
        try:
            frame = next(frames, None)
        except av.InvalidDataError:
            if size is None:
                raise
            return
        if frame is None:
            return
        _check_size(frame.width, frame.height, config)
        if size not in (None, (frame.width, frame.height, frame.rotation)):
            raise Refused("the picture changes its size half-way; expected one size, convert it")
        if time.monotonic() > ends:
            raise Refused(f"reading it takes more than {config.work_seconds:g} s; give a shorter or smaller video")
        size = (frame.width, frame.height, frame.rotation)
        yield frame


def _even(frames: Iterator[VideoFrame], fps: float, config: UploadConfig) -> Iterator[VideoFrame]:
    """The frame shown at each tick of an even rate, for as long as is kept; stamps that lie cannot make it longer."""
    most, ticks, first, before = max(2, round(config.keep_seconds * fps)), 0, None, None
    for number, frame in enumerate(frames):
        shown = frame.time if frame.time is not None else number / fps
        first = shown if first is None else first
        place = int((shown - first) * fps + EARLY)
        while before is not None and ticks < min(place, most):
            yield before
            ticks += 1
        if ticks == most:
            return
        if place >= ticks:
            yield frame
            ticks += 1
        before = frame


def _upright(frames: Iterator[VideoFrame], config: UploadConfig) -> Iterator[Frame]:
    """Pictures as shown, no larger than what is kept, with even sides."""
    shown: tuple[VideoFrame, Frame] | None = None
    for frame in frames:
        progress()
        if shown is None or shown[0] is not frame:
            shown = frame, _picture(frame, config)
        yield shown[1]


def _picture(frame: VideoFrame, config: UploadConfig) -> Frame:
    longest = config.keep_lines * 16 // 9
    scale = min(1.0, longest / max(frame.width, frame.height), config.keep_lines / min(frame.width, frame.height))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    picture = video.rgb(frame, (width, height) if scale < 1 else None)
    return video.fill(picture, height, width) if frame.rotation % 180 else video.fill(picture, width, height)


def _encoder(writing: OutputContainer, picture: Frame, fps: float) -> VideoStream:
    options = {"crf": "16", "preset": "veryfast", "maxrate": MOST_BITS, "bufsize": MOST_BITS}
    stream = writing.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    video.tag(stream)
    return stream
