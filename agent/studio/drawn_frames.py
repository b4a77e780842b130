"""Frames of a video as small pictures on disk. Called in a process apart: the file may be a stranger's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ditto_models import video
from ditto_models.container import opened, rate_of
from ditto_models.executors.isolated import progress
from ditto_models.small_frames import glimpse

QUALITY = 82
"""Of JPEG, 0 to 100."""


def draw(
    path: str,
    seconds: tuple[float, float],
    count: int,
    most_fps: float | None,
    size: tuple[int, int],
    wanted: tuple[int, ...],
    folder: str,
) -> None:
    """Write frames of the window of `count` frames as FOLDER/NUMBER.jpg, each whole or not at all.

    `most_fps` as in `video.read_window`; 0 takes `count` frames evenly from all of the window.

    Raises:
        VideoError: the file cannot be read.
    """
    cv2.setNumThreads(1)
    progress()
    with opened(path) as (_, stream):
        rate, frames = rate_of(stream, path), stream.frames
    if most_fps == 0:
        places = [round(place) for place in np.linspace(0, max(0, frames - 1), count)]
    else:
        places = list(video.places_at(count, rate, most_fps))
    shown = glimpse(path, seconds, {places[number] for number in wanted}, size).at
    progress()
    for number in wanted:
        if places[number] in shown:
            _write(shown[places[number]], Path(folder) / f"{number}.jpg")


def _write(picture: np.ndarray, path: Path) -> None:
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(encoded.tobytes())
    unfinished.rename(path)
