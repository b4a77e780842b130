"""Writes the frames that stand in for those of another video: at its moments, at its rate, with its sound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from ditto_models.base import Frame
from ditto_models.container import VideoError
from ditto_models.sound_copy import Timed, copied, refusal, sound_packets
from ditto_models.timeline import Timeline
from ditto_models.video import DISK_ERRORS, tag, yuv

FORMATS = (".mp4", ".mov", ".mkv")
"""What H.264 and nearly any sound can be kept in."""


class Writing(Protocol):
    """A file that is being written."""

    sound: str
    """kept, none, or why it is left out."""

    def put(self, frame: Frame) -> None:
        """Write the next frame, HWC uint8 RGB."""
        ...


class _Retelling:
    def __init__(self, container: OutputContainer, timeline: Timeline, crf: int) -> None:
        # Chroma of half the size wants even sides.
        self._pixels = "yuv444p" if timeline.width % 2 or timeline.height % 2 else "yuv420p"
        self._container, self._timeline = container, timeline
        self._tick, self._moments = timeline.moments
        options = {"crf": str(crf), "preset": "medium"}
        self._stream = container.add_stream("libx264", rate=timeline.rate, options=options)
        self._stream.width, self._stream.height = timeline.width, timeline.height
        self._stream.pix_fmt = self._pixels
        self._stream.codec_context.time_base = self._tick
        tag(self._stream)
        self._number = 0
        self.sound = "none"
        self._sound: Iterator[Timed] = iter(())
        self._waiting: Timed | None = None

    def with_sound(self, source: InputContainer) -> None:
        """Copy the first audio stream of a file beside the frames."""
        if not source.streams.audio:
            return
        begun_seconds = self._timeline.shown_at[0] * self._timeline.tick
        if why := refusal(self._timeline.path, self._container.format.name, begun_seconds):
            self.sound = f"left out: {why}"
            return
        audio = source.streams.audio[0]
        self.sound = "kept"
        self._sound = sound_packets(source, audio, copied(self._container, audio), begun_seconds)
        self._waiting = next(self._sound, None)

    def put(self, frame: Frame) -> None:
        """Write the next frame, and the sound up to it."""
        shown_at, until = self._moments[self._number : self._number + 2]
        picture = yuv(frame, self._pixels)
        picture.pts, picture.time_base, picture.duration = shown_at, self._tick, until - shown_at
        self._mux(self._stream.encode(picture))
        self._number += 1
        self._sound_until(until * self._tick)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._number != self._timeline.frames:
            raise VideoError(f"{self._number} frames were written; expected {self._timeline.frames} as its source has")
        self._mux(self._stream.encode(None))
        self._sound_until(None)

    def _mux(self, coded: Iterable[Packet[VideoStream]]) -> None:
        for packet in coded:
            if packet.pts == self._moments[-2]:
                packet.duration = self._moments[-1] - self._moments[-2]  # else the last one would last as long as usual
            self._container.mux(packet)

    def _sound_until(self, seconds: Fraction | None) -> None:
        while self._waiting is not None and (seconds is None or self._waiting[0] <= seconds):
            self._container.mux(self._waiting[1])
            self._waiting = next(self._sound, None)


@contextmanager
def retold(path: Path, timeline: Timeline, crf: int = 12) -> Iterator[Writing]:
    """A file for as many frames as the timeline has; it appears under its name once all are written, or not at all.

    Raises:
        VideoError: the file cannot be written, or not all frames were.
        OSError: the disk is full, read-only or broken.
    """
    unfinished = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    unfinished.touch()  # the container would first look for its folder when the first frame is there, hours later
    try:
        with ExitStack() as files:
            container = files.enter_context(av.open(str(unfinished), "w"))
            source = files.enter_context(av.open(str(timeline.path), metadata_errors="replace"))
            writing = _Retelling(container, timeline, crf)
            writing.with_sound(source)
            yield writing
            writing.finish()
        unfinished.replace(path)
    except av.FFmpegError as error:
        if error.errno in DISK_ERRORS:
            raise OSError(error.errno, f"cannot write {str(path)!r}: {error.strerror}") from error
        raise VideoError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
