"""A person's own video: looked at, limited and transcoded in a process apart, and only then kept in RUN/uploads.

What is kept is made anew, picture by picture: no sound, no metadata and nothing of the file's own bytes. It is named by
the sha256 of what was given, so the same file given twice is kept once.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from memory.artifacts import sync_folder

FOLDER = "uploads"
NAME = re.compile(r"[0-9a-f]{64}\.mp4")


class UploadRefused(ValueError):
    """The file is not taken; the message says in one line what it is, what was expected and what to do."""


class UploadConfig(BaseModel):
    """What is taken. The defaults take what a phone or a camera makes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=500_000_000, ge=1)
    """Of the file as it is given."""
    max_seconds: float = Field(default=600.0, gt=0)
    """That its header may claim."""
    max_side: int = Field(default=8192, ge=16)
    """Pixels of the longer side."""
    min_side: int = Field(default=64, ge=16)
    """Pixels of the shorter side."""
    max_fps: float = Field(default=240.0, gt=0)
    """Frames a second of the file."""
    min_frames: int = Field(default=1, ge=1)
    """That are kept of it: what the run makes a clip of."""
    keep_seconds: float = Field(default=30.0, gt=0)
    """So much is kept, from the beginning: an edit is made of a few seconds."""
    keep_fps: float = Field(default=60.0, gt=0)
    """Frames a second that are kept; a quicker file is brought down to it evenly."""
    keep_lines: int = Field(default=1080, ge=16, multiple_of=2)
    """Pixels of the shorter side that are kept; the longer one may have 16/9 of it."""
    memory_gib: float = Field(default=3.0, ge=1)
    """Of address space, for the process that looks at it."""
    stall_seconds: int = Field(default=30, ge=1)
    """For one picture, after which that process is ended."""
    work_seconds: float = Field(default=300.0, gt=0)
    """For all of it."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A video that was taken, as it is kept."""

    name: str
    """In RUN/uploads."""
    seconds: float
    frames: int
    fps: float
    width: int
    height: int


def take_upload(run: Path, file: Path, config: UploadConfig | None = None) -> Uploaded:
    """Keep a person's video in the run, as H.264 without sound or metadata. Not to be called within an event loop.

    Raises:
        UploadRefused: it is no video, or more of one than `config` takes.
        OSError: the disk is full, read-only or broken.
    """
    config = config or UploadConfig()
    if not file.is_file():
        raise UploadRefused("this is not a file; expected a video, choose another one")
    check_bytes(file.stat().st_size, config)
    with file.open("rb") as opened:
        name = f"{hashlib.file_digest(opened, 'sha256').hexdigest()}.mp4"
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    if (folder / name).exists():
        return _long_enough(_looked_at(folder / name, None, config), config)
    handle, temporary = tempfile.mkstemp(suffix=".mp4.tmp", dir=folder)
    os.close(handle)
    try:
        uploaded = _long_enough(_looked_at(file, Path(temporary), config, name), config)
        _adopt(Path(temporary), folder / name)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return uploaded


def known_upload(run: Path, name: str, config: UploadConfig | None = None) -> Uploaded:
    """A video that was taken before. Not to be called within an event loop.

    Raises:
        UploadRefused: the run has none of this name.
    """
    return _looked_at(upload_path(run, name), None, config or UploadConfig())


def upload_path(run: Path, name: str) -> Path:
    """Where a video that was taken lies.

    Raises:
        UploadRefused: the run has none of this name.
    """
    path = run / FOLDER / name
    if not NAME.fullmatch(name) or not path.is_file():
        raise UploadRefused(f"the run has no uploaded video {name[:80]!r}; upload it again")
    return path


def check_bytes(size: int, config: UploadConfig) -> None:
    """Whether a file of so many bytes is taken.

    Raises:
        UploadRefused: it is empty, or too large.
    """
    if not size:
        raise UploadRefused("the file is empty; expected a video, choose another one")
    if size > config.max_bytes:
        megabytes = f"{size / 1e6:.0f} MB, at most {config.max_bytes / 1e6:.0f} MB are"
        raise UploadRefused(f"the file is too large: {megabytes} taken; cut out the seconds that matter")


def _looked_at(file: Path, kept: Path | None, config: UploadConfig, name: str = "") -> Uploaded:
    """What a file is; with `kept`, it is transcoded there on the way. In a process of its own, with limits."""
    # Loaded late: no `--help` should wait for a decoder.
    from agent.conversation.transcode import Refused, look, transcode
    from ditto_models.executors.base import WorkerLost
    from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor

    executor = IsolatedExecutor(1, IsolatedConfig(memory_gib=config.memory_gib, stall_seconds=config.stall_seconds))
    limits = config.model_dump_json()
    try:
        made = executor.run(transcode, str(file), str(kept), limits) if kept else executor.run(look, str(file), limits)
        facts = asyncio.run(made).value
    except Refused as error:
        raise UploadRefused(str(error)) from error
    except WorkerLost as error:
        raise UploadRefused(f"the file cannot be read: {error}; expected a video, choose another one") from error
    finally:
        executor.close()
    return Uploaded(
        name=name or file.name,
        seconds=facts.frames / facts.fps,
        frames=facts.frames,
        fps=facts.fps,
        width=facts.width,
        height=facts.height,
    )


def _long_enough(uploaded: Uploaded, config: UploadConfig) -> Uploaded:
    if uploaded.frames < config.min_frames:
        least = f"{config.min_frames} frames, at its rate {config.min_frames / uploaded.fps:.1f} s"
        raise UploadRefused(f"the video is too short: {uploaded.frames} frames, expected at least {least}; give more")
    return uploaded


def _adopt(temporary: Path, place: Path) -> None:
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.chmod(0o644)
    temporary.rename(place)
    sync_folder(place.parent)
