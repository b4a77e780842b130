"""Procedural pairs as the trainer takes them: known by a place in a list, encoded once, held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.curriculum_base import embedded
from bench.curriculum_clips import FRAMES, SIDE, Pair, pair, render
from bench.curriculum_codec import LinearCodec, fit
from ditto_models.gpu.buckets import Bucket
from ditto_models.train.items import Item
from ditto_models.train.pairs import TrainingPair

if TYPE_CHECKING:
    import torch

BUCKET = Bucket(frames=FRAMES, height=SIDE, width=SIDE)
KEY_INDEX = FRAMES // 2
CODEC_SEED = 2_000_000
"""Of the clips that the codec is fitted to; no pair has it."""


class ProceduralItems:
    """Items of pairs, encoded when they are made."""

    def __init__(self, made: Sequence[Pair], codec: LinearCodec) -> None:
        grey = np.full((FRAMES, SIDE, SIDE, 3), 127.5, np.float32)
        empty = _tensor(codec, grey)
        self._items = [item_of(each, codec, empty) for each in made]
        self.pairs = [_named(place, each) for place, each in enumerate(made)]

    def __len__(self) -> int:
        return len(self._items)

    def get(self, pair: TrainingPair, bucket: Bucket) -> Item:
        """The item of a pair of `pairs`; there is one bucket."""
        return self._items[int(pair.id)]

    def all(self) -> list[Item]:
        """In the order of `pairs`."""
        return list(self._items)


def fitted_codec(num_clips: int) -> LinearCodec:
    """Fitted to sources and edited clips of scenes of its own."""
    rng = np.random.default_rng(CODEC_SEED)
    made = [pair(rng) for _ in range(num_clips // 2)]
    return fit([render(shown) for each in made for shown in (each.source, each.edited)])


def item_of(made: Pair, codec: LinearCodec, empty_CTHW: torch.Tensor) -> Item:
    """One pair, with the middle frame of the edited clip as its key frame."""
    edited = render(made.edited)
    return Item(
        source_CTHW=_tensor(codec, render(made.source)),
        edited_CTHW=_tensor(codec, edited),
        key_C1HW=_tensor(codec, edited[KEY_INDEX : KEY_INDEX + 1]),
        empty_CTHW=empty_CTHW,
        text_LD=embedded(made.instruction),
    )


def _tensor(codec: LinearCodec, clip: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> torch.Tensor:
    import torch

    return torch.from_numpy(codec.encode(clip))


def _named(place: int, made: Pair) -> TrainingPair:
    nowhere = Path("procedural") / str(place)
    return TrainingPair(
        id=str(place),
        source=nowhere,
        edited=nowhere,
        key_frame=nowhere,
        instruction=made.instruction,
        edit_type=made.kind,
        scope="global" if made.kind in ("effect", "background", "texture") else "local",
        split="train",
        scores={},
        frames=FRAMES,
        width=SIDE,
        height=SIDE,
    )
