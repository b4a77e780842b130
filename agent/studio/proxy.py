"""One small video of a pair for the browser: source, edited and their difference in one picture, so none can drift.

The three tiles stand under each other. Under each lies a strip that the player crops away: the frame's number in
blocks, black for 0 and white for 1, the highest bit first, so that what is on the screen can be read back.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ditto_models import video
from ditto_models.base import Frame, Frames
from memory.artifacts import ArtifactStore
from memory.sample import Sample

LONG_SIDE = 640
"""Pixels that a tile has at most."""
STRIP_HEIGHT = 16
BLOCK = 8
BITS = 16
DIFFERENCE_GAIN = 4
"""So that faint changes are seen."""
NOTHING = 64
"""The grey of a frame that one half does not have; its strip then says NO_FRAME."""
NO_FRAME = 2**BITS - 1
MOST_BYTES = 2_000_000_000
"""Of proxies kept at once; the one used longest ago goes first."""
_LAYOUT = "1"
_CRF = 20


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What a player shows; sizes in pixels, of one tile."""

    source: str
    edited: str
    """Empty where there is only the source."""
    width: int
    height: int
    frames: int
    fps: float
    gain: int = DIFFERENCE_GAIN
    """How many times as strong the difference is shown."""

    @property
    def name(self) -> str:
        """The file's name, from the content of both."""
        return f"{hashlib.sha256(' '.join((_LAYOUT, self.source, self.edited)).encode()).hexdigest()}.mp4"

    @property
    def step(self) -> int:
        """From the top of a tile to the top of the next."""
        return self.height + STRIP_HEIGHT


def pair_of(sample: Sample, edited: str | None = None) -> Pair | None:
    """What there is to play of a sample: with the edit it has now, or another artifact; None before it has a clip."""
    clip = sample.clip
    if clip is None or not clip.video:
        return None
    if edited is None:
        edited = sample.edit.video if sample.edit else ""
    scale = min(1.0, LONG_SIDE / max(clip.width, clip.height))
    return Pair(
        source=clip.video,
        edited=edited,
        width=_even(clip.width * scale),
        height=_even(clip.height * scale),
        frames=clip.frames,
        fps=clip.fps,
    )


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)


class Proxies:
    """Makes them when they are first asked for, one at a time, into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pairs"
        self._folder.mkdir(parents=True, exist_ok=True)
        # One for all: a second request for the same pair waits for the first, and memory holds one pair's frames.
        self._lock = threading.Lock()

    def path(self, pair: Pair, artifacts: ArtifactStore) -> Path:
        """Where the pair's video lies; made now where it was not yet.

        Raises:
            FileNotFoundError: an artifact was given up.
            VideoError: an artifact cannot be read.
        """
        path = self._folder / pair.name
        with self._lock:
            if path.exists():
                path.touch()
                return path
            unfinished = path.with_suffix(".part")
            video.write(unfinished, packed(pair, artifacts), pair.fps, crf=_CRF, only_key_frames=True)
            unfinished.rename(path)
            self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        files = sorted(self._folder.glob("*.mp4"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= MOST_BYTES or file == newest:
                return
            total -= file.stat().st_size
            file.unlink()


def packed(pair: Pair, artifacts: ArtifactStore) -> Frames:
    """Every frame of the picture, THWC uint8 RGB.

    Raises:
        FileNotFoundError, VideoError: as `Proxies.path`.
    """
    halves = [_frames(pair, reference, artifacts) for reference in (pair.source, pair.edited) if reference]
    tiles = [*halves, _difference(*halves)] if len(halves) == 2 else halves
    whole = np.zeros((len(halves[0]), len(tiles) * pair.step, max(pair.width, BITS * BLOCK), 3), dtype=np.uint8)
    for place, frames in enumerate(tiles):
        top = place * pair.step
        bottom = top + pair.height
        whole[:, top:bottom, : pair.width] = NOTHING
        whole[: len(frames), top:bottom, : pair.width] = frames[: len(whole)]
        for number, picture in enumerate(whole):
            shown = number if number < len(frames) else NO_FRAME
            picture[bottom : top + pair.step, : BITS * BLOCK] = strip(shown)
    return whole


def _difference(source: Frames, edited: Frames) -> Frames:
    both = min(len(source), len(edited))
    made = np.empty_like(source[:both])
    for number in range(both):  # a frame at a time: in 16 bits a whole video would take much memory
        apart = np.abs(source[number].astype(np.int16) - edited[number])
        made[number] = np.minimum(apart * DIFFERENCE_GAIN, 255)
    return made


def strip(number: int) -> Frame:
    """A frame's number in blocks, HWC uint8 RGB."""
    bits = [number >> place & 1 for place in reversed(range(BITS))]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 255, BLOCK)
    return np.broadcast_to(row[None, :, None], (STRIP_HEIGHT, BITS * BLOCK, 3))


def _frames(pair: Pair, reference: str, artifacts: ArtifactStore) -> Frames:
    path = artifacts.path(reference)
    return video.read_window(path, 0.0, None, pair.frames, pair.width, pair.height).frames
