"""A training small enough for tests: a tiny random Wan-VACE, four pairs, items made of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch

from ditto_models.gpu.buckets import Bucket
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.items import Item
from ditto_models.train.pairs import TrainingPair, UnusablePair
from ditto_models.train.random_base import TEXT_DIMENSIONS, TINY
from ditto_models.train.recipe import Recipe, load_recipe
from tests.training_pairs import a_pair

BUCKET = Bucket(frames=5, height=32, width=48)


def tiny_recipe(**changes: Any) -> Recipe:
    """The recipe `tiny`, with sections changed."""
    return Recipe.model_validate(_over(load_recipe("tiny").model_dump(mode="json"), changes))


def _over(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {
        key: _over(values[key], value) if isinstance(value, dict) and "kind" not in value else value
        for key, value in changes.items()
    }
    return values | merged


def tiny_transformer() -> Any:
    """The same at every call."""
    declare_operators()
    from diffusers import WanVACETransformer3DModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return WanVACETransformer3DModel(**TINY)


def pairs_in_buckets(count: int) -> list[tuple[TrainingPair, Bucket]]:
    """pair-0 and so on; their files are nowhere."""
    return [(a_pair(f"pair-{number}"), BUCKET) for number in range(count)]


class ItemsInMemory:
    """An item of noise for each pair, the same in every process."""

    def __init__(self, broken: str = "", unusable: Sequence[str] = ()) -> None:
        """`broken` is full of NaN, `unusable` cannot be read."""
        self._broken = broken
        self._unusable = unusable

    def get(self, pair: TrainingPair, bucket: Bucket) -> Item:
        if pair.id in self._unusable:
            raise UnusablePair(pair.id, "edited.mp4 is missing")
        item = noise_item(pair.id, bucket)
        if pair.id == self._broken:
            return Item(**{**vars(item), "edited_CTHW": torch.full_like(item.edited_CTHW, float("nan"))})
        return item


@cache
def noise_item(name: str, bucket: Bucket) -> Item:
    """The same for the same name."""
    generator = torch.Generator().manual_seed(sum(name.encode()))

    shape = bucket.latent_shape

    def noise(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator)

    return Item(
        source_CTHW=noise(*shape),
        edited_CTHW=noise(*shape),
        key_C1HW=noise(shape[0], 1, *shape[2:]),
        empty_CTHW=torch.zeros(shape),
        text_LD=noise(8, TEXT_DIMENSIONS),
    )
