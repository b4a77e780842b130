"""What a picture looks like in 64 bits, so that copies of a clip are known again: perceptual hashes.

Method: pHash, the signs of the lowest frequencies of a small grey picture (Zauner 2010), as OpenCV has it. Scaling,
another codec and slight grading change few bits; another moment of a moving scene changes many.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frames

Fingerprint = tuple[int, ...]
"""One number of 64 bits a frame looked at."""


def fingerprint(frames: Frames) -> Fingerprint:
    """The hashes of the frames given, THWC uint8 RGB."""
    engine = cv2.img_hash.PHash.create()
    hashes = (engine.compute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames)
    return tuple(int.from_bytes(found.tobytes(), "big") for found in hashes)


class FingerprintIndex:
    """Fingerprints of one length, searched by their mean distance in bits. A million of three take 32 MB."""

    def __init__(self) -> None:
        self._known: NDArray[np.uint64] = np.empty((0, 0), np.uint64)
        self._groups: NDArray[np.int64] = np.empty(0, np.int64)
        self._count = 0
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, name: str, seen: Fingerprint) -> None:
        """Keep what a clip of the source `name` looks like."""
        if self._count == len(self._known):
            self._grow(len(seen))
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        self._known[self._count] = seen
        self._groups[self._count] = self._numbers[name]
        self._count += 1

    def nearest(self, wanted: Fingerprint, besides: str) -> tuple[str, float] | None:
        """The most alike of other sources than `besides`, and by how many bits of 64 it differs on average."""
        groups = self._groups[: self._count]
        others = groups != self._numbers.get(besides, -1)
        if not others.any():
            return None
        bits = np.bitwise_count(self._known[: self._count] ^ np.array(wanted, np.uint64)).mean(axis=1)
        place = int(np.where(others, bits, np.inf).argmin())
        return self._names[groups[place]], float(bits[place])

    def _grow(self, length: int) -> None:
        more = max(1024, len(self._known))
        known = self._known if self._count else np.empty((0, length), np.uint64)
        self._known = np.concatenate([known, np.zeros((more, length), np.uint64)])
        self._groups = np.concatenate([self._groups, np.zeros(more, np.int64)])
