"""What a picture looks like in 64 bits, so that copies of a clip are known again: perceptual hashes.

Method: pHash, the signs of the lowest frequencies of a small grey picture (Zauner 2010), as OpenCV has it. Scaling,
another codec and slight grading change few bits; another moment of a moving scene changes many.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frames
from ditto_models.look_index import LookIndex, Rows, Seen


def fingerprint(frames: Frames) -> Seen:
    """The hashes of the frames given, THWC uint8 RGB: one number of 64 bits a frame."""
    engine = cv2.img_hash.PHash.create()
    hashes = (engine.compute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames)
    return tuple(int.from_bytes(found.tobytes(), "big") for found in hashes)


class FingerprintIndex(LookIndex):
    """Fingerprints searched by their mean distance in bits. A million of three take 32 MB."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def told(self, distance: float) -> str:
        """Bits of 64."""
        return f"{distance:.1f} of 64 bits"

    def _row(self, seen: Seen) -> Rows:
        return np.array(seen, np.uint64)

    def _distances(self, known: Rows, wanted: Rows) -> NDArray[np.float64]:
        return np.asarray(np.bitwise_count(known ^ wanted).mean(axis=1), np.float64)
