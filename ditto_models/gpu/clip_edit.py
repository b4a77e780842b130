"""Any clip through Editto: at a size near those it was trained at, window by window, and back to the clip's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ditto_models.base import Frame, Frames
from ditto_models.gpu.buckets import Bucket, bucket_of
from ditto_models.gpu.canvas import Canvas, filled_canvas
from ditto_models.gpu.editto import Editto
from ditto_models.gpu.geometry import WAN
from ditto_models.gpu.in_windows import Carry, in_windows
from ditto_models.gpu.windows import Window, windows

OVERLAP_SHARE = 8
"""One in so many frames of the longest window is shared with the next: half a second of five."""
OnWindowStep = Callable[[int, int], None]
"""Is told the window, from 0, and how many of its steps are made."""


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """At which size a clip is made, and which frames of it at once."""

    canvas: Canvas
    windows: tuple[Window, ...]


def plan_of(width: int, height: int, frames: int, sizes: Sequence[Bucket]) -> ClipPlan:
    """For a clip of this size: as many pixels and frames at once as the size nearest in shape, at most.

    Smaller clips are scaled up to it, since a network does badly far from the sizes that it was trained at.
    """
    near = bucket_of(max(size.frames for size in sizes), height, width, sizes)
    assert near is not None
    canvas = filled_canvas(width, height, WAN.side_step, near.width * near.height)
    return ClipPlan(canvas=canvas, windows=windows(frames, near.frames, near.frames // OVERLAP_SHARE))


def edited_clip(
    editto: Editto,
    frames: Iterable[Frame],
    plan: ClipPlan,
    instruction: str,
    seed: int,
    carry: Carry = "frame",
    on_step: OnWindowStep = lambda window, step: None,
) -> Iterator[Frame]:
    """The edited frames in order, HWC uint8 RGB of the clip's size; all windows begin with the same noise.

    `carry` frame shows each window but the first a frame of the one before, which keeps their looks alike; with none
    each has the instruction alone.
    """

    def make(number: int, source: Frames, before: Frame | None) -> Frames:
        return editto.edit(source, instruction, seed, key_frame=before, on_step=lambda step: on_step(number, step))

    fitted = (np.asarray(plan.canvas.put(frame)) for frame in frames)
    for frame in in_windows(fitted, plan.windows, make, carry):
        yield plan.canvas.take(frame)
