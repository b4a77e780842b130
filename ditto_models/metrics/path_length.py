"""How far the points of a clip travel: a grid of them followed along flow, as Ditto's motion filter does it.

Ditto keeps clips by the mean way of tracked points. Here it is that of the liveliest tenth, as in the measure without a
network (`metrics/liveliness.py`), so that a small subject before a still background counts and one border serves both.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.metrics.liveliness import PERCENTILE, REFERENCE_WIDTH

GRID_PIXELS = 8
"""Between two points."""


def path_length(flow_THW2: NDArray[np.float32], frames_between: float) -> float:
    """Pixels a frame at 640 across that the liveliest tenth of the points travel, on average over their way.

    `flow_THW2` (x, y) is between pictures that lie so many frames apart. A point that leaves the picture counts for the
    time it was in it.
    """
    height, width = flow_THW2.shape[1:3]
    x, y = np.meshgrid(*(np.arange(GRID_PIXELS / 2, side, GRID_PIXELS, dtype=np.float32) for side in (width, height)))
    travelled, steps = np.zeros_like(x), np.zeros_like(x)
    for flow in flow_THW2:
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        step = np.asarray(cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
        travelled += inside * np.hypot(step[..., 0], step[..., 1])
        steps += inside
        x, y = x + step[..., 0], y + step[..., 1]
    per_frame = travelled / np.maximum(steps, 1) / frames_between
    return float(np.percentile(per_frame, PERCENTILE) * REFERENCE_WIDTH / width)
