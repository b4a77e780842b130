"""How much light there is in a frame and how much happens between two, in figures small enough to keep for hours.

Motion is the 90th percentile of dense flow (DIS, Kroeger et al., ECCV 2016), so that a small subject before a still
background counts, and is given in pixels a frame at 640 across. Measured at a reduced size: WIDTH pixels across.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
"""HW uint8."""
WIDTH = 160
"""Pixels across at which frames are measured."""
PERCENTILE = 90
REFERENCE_WIDTH = 640


@dataclass(frozen=True, kw_only=True)
class Liveliness:
    """One frame's figures; `change` and `motion` are against the frame before it, 0 for the first."""

    brightness: float
    """0..255, the 95th percentile of grey levels: how light its lightest parts are."""
    contrast: float
    """Standard deviation of grey levels."""
    change: float
    """Mean absolute difference in grey levels."""
    motion: float
    """Pixels a frame at 640 across."""


class LivelinessMeter:
    """Measures frames in their order; motion is 0 where it is not asked for, since it takes the most time."""

    def __init__(self, with_motion: bool = True) -> None:
        self._with_motion = with_motion
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: Grey | None = None

    def measure(self, grey: Grey) -> Liveliness:
        """The figures of the next frame, HW uint8 grey."""
        before, self._before = self._before, grey
        change = 0.0 if before is None else float(cv2.absdiff(before, grey).mean())
        return Liveliness(
            brightness=float(np.percentile(grey, 95)),
            contrast=float(grey.std()),
            change=change,
            motion=self._motion(before, grey) if before is not None and change > 0 and self._with_motion else 0.0,
        )

    def _motion(self, before: Grey, grey: Grey) -> float:
        flow = self._flow.calc(before, grey, np.zeros((*grey.shape, 2), np.float32))
        lengths = np.hypot(flow[..., 0], flow[..., 1])
        return float(np.percentile(lengths, PERCENTILE) * REFERENCE_WIDTH / grey.shape[1])
