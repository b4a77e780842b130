"""A video of any length through a network that makes so many frames at once: window by window, mixed where they meet.

No more is held than a window's frames. So that looks do not drift apart, a window may be shown a frame of the one
before it, from the middle of what both have: that is how the network was shown the edited key frame in its training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames
from ditto_models.gpu.windows import Window

Carry = Literal["frame", "none"]
Make = Callable[[int, Frames, Frame | None], Frames]
"""What makes a window: its number, its frames THWC, and the frame of the one before, if any."""


def in_windows(frames: Iterable[Frame], windows: Sequence[Window], make: Make, carry: Carry) -> Iterator[Frame]:
    """What `make` makes of a video, frame by frame, HWC uint8 RGB; each as soon as no later window has a part in it.

    Where the whole video is shorter than its one window, the frames that are missing are its last ones, backwards.

    Raises:
        ValueError: there are fewer frames than the windows have.
    """
    coming, held = iter(frames), list[Frame]()
    begun: list[NDArray[np.float32]] = []
    reference: Frame | None = None
    for number, window in enumerate(windows):
        if number:
            held = held[window.begin - windows[number - 1].begin :]
        held += islice(coming, window.shown - len(held))
        if len(held) < window.shown:
            raise ValueError(f"the video ends at frame {window.begin + len(held)}; expected {windows[-1].end} frames")
        made = make(number, _filled(held, window.frames), reference)
        last = number == len(windows) - 1
        ready = window.shown if last else windows[number + 1].begin - window.begin
        mixed = _mixed(made, window, begun)
        for frame in islice(mixed, ready):
            yield np.rint(frame).astype(np.uint8)
        begun = list(mixed)
        if carry == "frame" and not last:
            reference = made[min((ready + window.shown) // 2, window.shown - 1)]


def _mixed(made: Frames, window: Window, begun: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """A window's part of its frames, on top of what earlier windows have of the first ones."""
    for place, weight in enumerate(window.weights):
        part = np.float32(weight) * made[place]
        yield part + begun[place] if place < len(begun) else part


def _filled(frames: Sequence[Frame], length: int) -> Frames:
    video = np.stack(frames)
    missing = length - len(video)
    return np.pad(video, [(0, missing), (0, 0), (0, 0), (0, 0)], mode="reflect") if missing else video
