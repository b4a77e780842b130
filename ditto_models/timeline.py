"""The frames of a whole video file one by one, and when each is shown; written again at the same moments, with sound.

For videos of any length: no more than one frame is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ditto_models.base import Frame
from ditto_models.container import VideoError, opened, rate_of, unreadable
from ditto_models.video import rgb

MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Of a file whose every frame was decoded once."""

    path: Path
    width: int
    """As shown, in pixels."""
    height: int
    rate: Fraction
    """Frames a second, on average."""
    tick: Fraction
    """Seconds; what `shown_at` counts in."""
    shown_at: tuple[int, ...]
    """When each frame is shown, rising."""
    last_for: int
    """How long the last frame is shown, in ticks."""

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.shown_at)

    @property
    def is_steady(self) -> bool:
        """Whether all frames are shown as long, to the rounding of a tick."""
        steps = [after - before for before, after in pairwise(self.shown_at)]
        return not steps or max(steps) - min(steps) <= 1

    @property
    def moments(self) -> tuple[Fraction, tuple[int, ...]]:
        """A tick in seconds; and in such, from the first frame on, when each is shown and when the last one ends.

        Frames that keep the rate, to the rounding of the file's own ticks, keep it exactly: 24 a second are not whole
        milliseconds, and a copy in milliseconds would have another rate.
        """
        after = [moment - self.shown_at[0] for moment in self.shown_at]
        step = 1 / (self.rate * self.tick)
        if all(abs(moment - number * step) < 1 for number, moment in enumerate(after)):
            return 1 / self.rate, tuple(range(self.frames + 1))
        return self.tick, (*after, after[-1] + self.last_for)


def timeline_of(path: Path) -> Timeline:
    """Read a whole file, so that what is wrong with it shows before anything costly is done with it.

    Raises:
        VideoError: it is not a readable video, or its frames change size.
    """
    with opened(path) as (container, stream):
        rate = stream.average_rate or Fraction(rate_of(stream, path)).limit_denominator(1001)
        tick = stream.time_base or MICROSECOND
        usual = max(1, round(1 / (rate * tick)))
        sizes: set[tuple[int, int]] = set()
        shown_at: list[int] = []
        last_for = usual
        for frame in container.decode(stream):
            sideways = frame.rotation % 180 != 0
            sizes.add((frame.height, frame.width) if sideways else (frame.width, frame.height))
            earliest = shown_at[-1] + 1 if shown_at else None
            moment = frame.pts if frame.pts is not None else (shown_at[-1] + usual if shown_at else 0)
            shown_at.append(moment if earliest is None else max(moment, earliest))
            last_for = frame.duration or usual
    if not shown_at:
        raise VideoError(unreadable(path, "it holds no frame"))
    if len(sizes) > 1:
        raise VideoError(unreadable(path, "its frames change size"))
    [(width, height)] = sizes
    return Timeline(
        path=path,
        width=width,
        height=height,
        rate=rate,
        tick=tick,
        shown_at=tuple(shown_at),
        last_for=last_for,
    )


def frames_of(timeline: Timeline) -> Iterator[Frame]:
    """Its frames in order, HWC uint8 RGB as shown.

    Raises:
        VideoError: the file was changed or cannot be read any more.
    """
    seen = 0
    with opened(timeline.path) as (container, stream):
        for frame in container.decode(stream):
            seen += 1
            if seen <= timeline.frames:
                yield rgb(frame)
    if seen != timeline.frames:
        raise VideoError(f"{str(timeline.path)!r} has {seen} frames, and had {timeline.frames}: leave it as it is")
