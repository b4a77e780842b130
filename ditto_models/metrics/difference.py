"""How different two pictures of one size look, where they differ most."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame

THUMBNAIL = (64, 36)
MOST_DIFFERENT = 0.1
"""Share of the picture that counts: a change of the subject alone is a change."""


def visible_difference(first: Frame, second: Frame) -> float:
    """Mean CIE76 distance over the tenth of two HWC uint8 RGB pictures that differs most; 2 is just noticeable."""
    distance = np.linalg.norm(_lab(first) - _lab(second), axis=2).ravel()
    count = max(1, round(distance.size * MOST_DIFFERENT))
    return float(np.partition(distance, -count)[-count:].mean())


def _lab(frame: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)
