"""Pictures of clips: made when they are first asked for, by a worker process, and kept while the studio runs."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import defaultdict
from dataclasses import astuple, dataclass
from pathlib import Path

from agent.conversation.uploads import Uploaded
from ditto_models.container import VideoError
from ditto_models.executors.base import WorkerLost
from memory.sample import Clip

LONG_SIDE, SMALL_SIDE = 640, 240
"""Pixels of the longer side, of a picture and of a thumbnail."""
STALL_SECONDS = 120
UPLOAD_PICTURES = 31
"""Of an uploaded video, evenly over its length."""


class NoPicture(LookupError):
    """There is no such picture; the message says why."""


@dataclass(frozen=True)
class Window:
    """The frames of a file that pictures are made of."""

    path: str
    start_seconds: float
    end_seconds: float
    frames: int
    most_fps: float | None
    """Frames a second that a faster file is brought down to; 0 takes the frames evenly from all of the window."""
    width: int
    height: int

    def size(self, long_side: int) -> tuple[int, int]:
        """Of a picture, in pixels."""
        scale = min(1.0, long_side / max(self.width, self.height))
        return max(2, round(self.width * scale)), max(2, round(self.height * scale))


def of_source(clip: Clip) -> Window:
    """A clip in the file that it is cut from."""
    return Window(clip.uri, clip.start_seconds, clip.end_seconds, clip.frames, clip.fps, clip.width, clip.height)


def of_stored(clip: Clip, path: Path) -> Window:
    """A clip as it was stored for its sample."""
    return Window(str(path), 0.0, float("inf"), clip.frames, None, clip.width, clip.height)


def of_upload(uploaded: Uploaded, path: Path) -> Window:
    """Pictures of all of an uploaded video; how many, `frames` says."""
    count = min(UPLOAD_PICTURES, uploaded.frames)
    return Window(str(path), 0.0, float("inf"), count, 0.0, uploaded.width, uploaded.height)


class ClipPictures:
    """All of one studio's, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        # Loaded late, with the pages and not with the command's help.
        from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor

        self._folder = folder / "clips"
        self._executor = IsolatedExecutor(1, IsolatedConfig(stall_seconds=STALL_SECONDS))
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def picture(self, window: Window, number: int) -> Path:
        """A frame as JPEG; with the first that is asked for, all of the window's are made.

        Raises:
            NoPicture: the window has no such frame, or its file cannot be read.
        """
        return self._made(window, number, tuple(range(window.frames)), LONG_SIDE)

    def thumbnail(self, window: Window, number: int | None = None) -> Path:
        """One small frame as JPEG, the middle one where none is named.

        Raises:
            NoPicture: as `picture`.
        """
        number = window.frames // 2 if number is None else number
        return self._made(window, number, (number,), SMALL_SIDE)

    def _made(self, window: Window, number: int, wanted: tuple[int, ...], side: int) -> Path:
        if not 0 <= number < window.frames:
            raise NoPicture(f"there is no frame {number}; the clip has frames 0 to {window.frames - 1}")
        name = hashlib.sha256(repr((astuple(window), side)).encode()).hexdigest()[:32]
        path = self._folder / name / f"{number}.jpg"
        with self._locks[name]:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._draw(window, wanted, side, path.parent)
        if not path.exists():
            raise NoPicture(f"frame {number} of this clip cannot be decoded")
        return path

    def _draw(self, window: Window, wanted: tuple[int, ...], side: int, folder: Path) -> None:
        from agent.studio.drawn_frames import draw

        seconds = (window.start_seconds, window.end_seconds)
        drawing = self._executor.run(
            draw, window.path, seconds, window.frames, window.most_fps, window.size(side), wanted, str(folder)
        )
        try:
            asyncio.run(drawing)
        except (VideoError, WorkerLost, OSError) as error:
            raise NoPicture("the clip's file cannot be read; it may be gone or damaged") from error
