"""From a folder of videos to the clip table: probe, split into shots, cut windows. Every file gets a fate."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agent.plain import plain
from ditto_models import video
from memory.ledger import Ledger, Source
from memory.sample import Clip

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".ogv"})


MIN_SIDE = 16
"""Pixels of the shorter side; flow and masks need so many."""


class IngestConfig(BaseModel):
    """What a clip is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(default=49, ge=2)
    """Of every clip."""
    max_width: int = Field(default=640, ge=16)
    """Clips are scaled down to fit; their shape is kept."""
    max_height: int = Field(default=360, ge=16)
    size_multiple: int = Field(default=2, ge=2, multiple_of=2)
    """Width and height are rounded down to multiples of it; networks want 16 or 32."""
    min_height: int = Field(default=200, ge=1)
    """Smaller sources are rejected."""
    shot_threshold: float = Field(default=27.0, gt=0)
    """PySceneDetect's ContentDetector: change of HSV between frames that makes a cut."""


def ingest(folder: Path, ledger: Ledger, config: IngestConfig, say: Callable[[str], None]) -> None:
    """Give every new file of the folder a fate in the ledger: its windows in the clip table, or a reason.

    Raises:
        NotADirectoryError: `folder` is not a folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"--clips {str(folder)!r} is not a folder; give one that holds videos")
    known = {source.uri for source in ledger.sources()}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        uri = source_uri(path)
        if uri in known:
            continue
        source, clips = read_source(path, config)
        if clips and (reason := _same_content(clips[0], ledger)):
            source, clips = Source(uri=uri, outcome="rejected", reason=reason), []
        ledger.set_source(source, clips)
        say(plain(f"{path.name}: {len(clips)} clips" if clips else f"{path.name}: rejected, {source.reason}"))


def source_uri(path: Path) -> str:
    """How a source file is known: its real path, with what is no text written out."""
    return plain(os.path.realpath(path))


def _same_content(clip: Clip, ledger: Ledger) -> str:
    """Why a file whose content is known is not taken again; empty where it is new, or was moved here."""
    other = ledger.uri_of_content(clip.sha256)
    copied = other is not None and other != clip.uri and Path(other).is_file()
    return f"duplicate: same content as {other}" if copied else ""


def read_source(path: Path, config: IngestConfig) -> tuple[Source, list[Clip]]:
    """One file's fate and its windows."""

    def rejected(reason: str) -> tuple[Source, list[Clip]]:
        return Source(uri=source_uri(path), outcome="rejected", reason=reason), []

    if os.path.realpath(path) != source_uri(path):
        return rejected("unreadable: its name is not text; rename it")
    try:
        known = video.probe(path)
    except video.VideoError as error:
        return rejected(f"unreadable: {error}")
    if known.height < config.min_height:
        return rejected(f"too small: {known.width}x{known.height}, expected at least {config.min_height} lines")
    width, height = fitted_size(known.width, known.height, config)
    if min(width, height) < MIN_SIDE:
        return rejected(f"too narrow: {known.width}x{known.height} fits {width}x{height}, expected {MIN_SIDE} a side")
    clips = list(_windows(path, known, config))
    if not clips:
        return rejected(f"too short: no shot reaches {config.frames} frames")
    return Source(uri=source_uri(path), outcome="pending", reason=""), clips


def _windows(path: Path, known: video.Probe, config: IngestConfig) -> Iterator[Clip]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    width, height = fitted_size(known.width, known.height, config)
    for first, end in shots(path, config.shot_threshold):
        # What is left over goes to both ends of the shot, where a dissolve or a cut found late would be.
        margin = (end - first) % config.frames // 2
        for start in range(first + margin, end - config.frames + 1, config.frames):
            yield Clip(
                clip_id=f"{digest[:12]}-{start:06d}",
                uri=source_uri(path),
                sha256=digest,
                start_seconds=start / known.fps,
                end_seconds=(start + config.frames) / known.fps,
                fps=known.fps,
                frames=config.frames,
                width=width,
                height=height,
            )


def shots(path: Path, threshold: float) -> list[tuple[int, int]]:
    """Shots of a file as (first frame, frame after the last), by PySceneDetect's ContentDetector."""
    import scenedetect

    opened = scenedetect.open_video(str(path), backend="pyav", suppress_output=True)
    manager = scenedetect.SceneManager()
    # By default a cut within 15 frames of the last is passed over, and a window would hold it.
    manager.add_detector(scenedetect.ContentDetector(threshold=threshold, min_scene_len=1))
    manager.detect_scenes(opened)
    scenes = manager.get_scene_list(start_in_scene=True)
    return [(begin.frame_num, end.frame_num) for begin, end in scenes]


def fitted_size(width: int, height: int, config: IngestConfig) -> tuple[int, int]:
    """The largest size of the same shape within the maximum, in multiples of `size_multiple`; never enlarged."""
    scale = min(1.0, config.max_width / width, config.max_height / height)
    multiple = config.size_multiple
    return round(width * scale) // multiple * multiple, round(height * scale) // multiple * multiple
