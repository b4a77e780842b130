"""An edited key frame so small that only its colours and where they are remain, for comparing many."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from memory.sample import Sample
from tools.media import Media

WIDTH, HEIGHT = 32, 18


def thumbnail(sample: Sample, media: Media) -> NDArray[np.float32]:
    """CIE L*a*b*, HWC float32 of 18x32, of the sample's chosen key frame.

    Raises:
        FileNotFoundError: the sample has no key frame, or its picture is kept no more.
    """
    if sample.key_frame is None:
        raise FileNotFoundError(f"sample {sample.id!r} has no edited key frame")
    small = cv2.resize(media.image(sample.key_frame.chosen), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
