"""From files to a pair that can be judged, at the size that the critic is calibrated for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from agent.clip_rules import MIN_SIDE, IngestConfig, fitted_size
from agent.command import CommandError
from ditto_models import video
from ditto_models.base import Frame
from tools.critic.of_pair import Pair

MAX_FRAMES = 300
"""Twelve seconds at 25 fps: a longer pair would not fit in the memory of a small machine with its flow."""
SAME_RATE = 1e-3


@dataclass(frozen=True, kw_only=True)
class PairFiles:
    """Which files are said to be a pair, and the words between them."""

    source: Path
    edited: Path
    instruction: str
    key_frame: Path | None = None
    """The edited key frame, where there is one."""
    key_frame_index: int | None = None
    """Its place, counted from 0; None is the middle."""


def read_pair(files: PairFiles, config: IngestConfig) -> Pair:
    """Read the files of a pair.

    Raises:
        CommandError: a file cannot be read, or frames, size or rate differ.
    """
    try:
        before, after = video.probe(files.source), video.probe(files.edited)
        _check_alike(before, after)
        size = fitted_size(before.width, before.height, config)
        source, edited = (
            video.read_window(path, 0.0, None, MAX_FRAMES + 1, *size).frames for path in (files.source, files.edited)
        )
    except video.VideoError as error:
        raise CommandError(str(error)) from error
    if len(source) != len(edited):
        raise CommandError(_unlike("frames", len(source), len(edited)))
    index, key_edited = _key_frame(files.key_frame, files.key_frame_index, before, len(source))
    return Pair(
        source=source,
        edited=edited,
        fps=before.fps,
        instruction=files.instruction,
        key_index=index,
        key_edited=None if key_edited is None else video.fill(key_edited, *size),
    )


def _check_alike(before: video.Probe, after: video.Probe) -> None:
    if (before.width, before.height) != (after.width, after.height):
        raise CommandError(_unlike("size", f"{before.width}x{before.height}", f"{after.width}x{after.height}"))
    if not math.isclose(before.fps, after.fps, rel_tol=SAME_RATE):
        raise CommandError(_unlike("rate", f"{before.fps:g} fps", f"{after.fps:g} fps"))
    if before.frames != after.frames:
        raise CommandError(_unlike("frames", before.frames, after.frames))
    if min(before.width, before.height) < MIN_SIDE:
        raise CommandError(f"the pair is {before.width}x{before.height}; expected at least {MIN_SIDE} a side")
    if before.frames > MAX_FRAMES:
        raise CommandError(f"the pair has {before.frames} frames; expected at most {MAX_FRAMES}, judge it in pieces")


def _unlike(what: str, source: object, edited: object) -> str:
    return f"the pair differs in {what}: source {source}, edited {edited}; a pair has the same frames, size and rate"


def _key_frame(
    path: Path | None, index: int | None, source: video.Probe, frames: int
) -> tuple[int | None, Frame | None]:
    if path is None:
        if index is not None:
            raise CommandError("a key frame's index has no meaning without the key frame; give both or neither")
        return None, None
    found = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) if path.is_file() else None
    if found is None:
        raise CommandError(f"key frame {str(path)!r} cannot be read as an image; expected a PNG")
    if found.shape[:2] != (source.height, source.width):
        size = f"{found.shape[1]}x{found.shape[0]}"
        raise CommandError(f"key frame {str(path)!r} is {size}; expected {source.width}x{source.height} as the source")
    place = frames // 2 if index is None else index
    if not 0 <= place < frames:
        raise CommandError(f"key frame index {place} is outside the pair; expected 0 to {frames - 1}")
    return place, np.asarray(found, dtype=np.uint8)
