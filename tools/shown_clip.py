"""A sample's clip as a model is shown it: its frames decoded and prepared off the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ditto_models.base import Frames
from ditto_models.executors.base import Executor
from memory.sample import Sample
from tools.ask import Part
from tools.media import Media

Show = Callable[[Frames, float], Sequence[Part]]
"""Frames THWC uint8 RGB and their rate to what a message holds of them."""
Look = Callable[[Sample], Awaitable[Sequence[Part]]]
"""A sample to its clip as parts of a message."""


def shown_clip(show: Show, media: Media, executor: Executor) -> Look:
    """Look at clips with `show`.

    Raises:
        ValueError: a sample has no clip yet.
    """

    def prepare(reference: str, fps: float) -> Sequence[Part]:
        return show(media.frames(reference), fps)

    async def look(sample: Sample) -> Sequence[Part]:
        if sample.clip is None:
            raise ValueError(f"sample {sample.id!r} has no clip yet; it is shown once it was drawn")
        return (await executor.run(prepare, sample.clip.video, sample.clip.fps)).value

    return look
