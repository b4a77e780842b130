"""What is in a pair's files: checked to be what the dataset says, and read as the pixels of a bucket.

Source, edited video and key frame are cropped about their centre and scaled by one rule, and videos are cut at the end,
so that what lay over each other still does. Shape suffixes: T frames, H height, W width, C the channels R, G, B.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np

from ditto_models.base import Frame, Frames
from ditto_models.gpu.buckets import Bucket
from ditto_models.train.pairs import TrainingPair, UnusablePair

Which = Literal["source", "edited", "key_frame"]


def check_pair(pair: TrainingPair) -> None:
    """Look at a pair's files without decoding them.

    Raises:
        UnusablePair: one is missing, broken, changed in size since the snapshot, or of another size or length than the
            dataset says.
    """
    from ditto_models import video

    expected_bytes = pair.num_bytes or (None, None, None)
    for (which, path), num_bytes in zip(pair.files.items(), expected_bytes, strict=True):
        if not path.is_file():
            raise UnusablePair(pair.id, f"{which} {str(path)!r} is missing")
        if num_bytes is not None and (found := path.stat().st_size) != num_bytes:
            raise UnusablePair(pair.id, f"{which} {str(path)!r} has {found} bytes, and had {num_bytes} when frozen")
    for which, path in (("source", pair.source), ("edited", pair.edited)):
        try:
            probe = video.probe(path)
        except video.VideoError as error:
            raise UnusablePair(pair.id, str(error)) from error
        if (probe.width, probe.height) != (pair.width, pair.height):
            raise UnusablePair(pair.id, f"{which} is {probe.width}x{probe.height}, {_said(pair)}")
        if probe.frames != pair.frames:
            raise UnusablePair(pair.id, f"{which} has {probe.frames} frames, {_said(pair)}")


def content_of(pair: TrainingPair, which: Which) -> str:
    """The sha256 of a file, 64 hex digits.

    Raises:
        UnusablePair: it cannot be read.
    """
    try:
        with pair.files[which].open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnusablePair(pair.id, f"{which} cannot be read: {error}") from error


def read_clip(pair: TrainingPair, which: Literal["source", "edited"], bucket: Bucket) -> Frames:
    """The first frames of a video in a bucket's size, THWC uint8 RGB.

    Raises:
        UnusablePair: it is broken, or ends before the bucket does.
    """
    from ditto_models import video

    path = pair.files[which]
    try:
        frames = video.read_window(path, 0, None, bucket.frames, bucket.width, bucket.height).frames
    except video.VideoError as error:
        raise UnusablePair(pair.id, str(error)) from error
    if len(frames) < bucket.frames:
        raise UnusablePair(
            pair.id,
            f"{which} {str(path)!r} ends after {len(frames)} frames; expected {bucket.frames}, is it cut short?",
        )
    return frames


def read_key_frame(pair: TrainingPair, bucket: Bucket) -> Frame:
    """The edited key frame in a bucket's size, HWC uint8 RGB.

    Raises:
        UnusablePair: it is no picture, or not of the videos' size.
    """
    import cv2

    from ditto_models import video

    content = _bytes_of(pair.key_frame, pair.id)
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB) if content else None
    if found is None:
        raise UnusablePair(pair.id, f"key frame {str(pair.key_frame)!r} cannot be read as an image; expected a PNG")
    if found.shape[:2] != (pair.height, pair.width):
        raise UnusablePair(pair.id, f"key_frame is {found.shape[1]}x{found.shape[0]}, {_said(pair)}")
    return video.fill(np.asarray(found, dtype=np.uint8), bucket.width, bucket.height)


def _bytes_of(path: Path, pair_id: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusablePair(pair_id, f"key_frame cannot be read: {error}") from error


def _said(pair: TrainingPair) -> str:
    return f"and the dataset says {pair.width}x{pair.height} with {pair.frames} frames of the pair"
