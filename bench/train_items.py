"""What a sample costs to encode, and to read from the cache: procedural clips as files, through the base's networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from bench.curriculum_clips import pairs, render
from ditto_models import video
from ditto_models.base import Frames
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.pairs import TrainingPair
from ditto_models.train.random_base import save_random_base
from ditto_models.train.recipe import RandomBase, Recipe

NUM_PAIRS = 3
FPS = 20.0


@dataclass(frozen=True, kw_only=True)
class ItemCost:
    """Medians of a sample, once the networks are loaded."""

    encoded_seconds: float
    """Decoded and passed through the VAE and the text encoder, as at every step without a cache."""
    cached_seconds: float
    fill_seconds: float
    """Of the cache, the networks' loading in it."""


def item_cost(recipe: Recipe, folder: Path) -> ItemCost:
    """Of the first bucket of a recipe."""
    import torch

    from ditto_models.train.encoding import EncodedItems, Encoder
    from ditto_models.train.latent_cache import CachedItems

    if isinstance(recipe.base, RandomBase):
        base = WeightsConfig(repo=str(save_random_base(folder / "base", recipe.base.size)))
    else:
        base = recipe.base
    has_gpu = torch.cuda.is_available() and recipe.device != "cpu"
    encoder = Encoder(base, "cuda" if has_gpu else "cpu", recipe.dtype)
    bucket = recipe.data.buckets[0]
    made = [_written(folder, number, bucket) for number in range(NUM_PAIRS)]
    anew = EncodedItems(encoder)
    anew.get(made[0], bucket)  # loads the networks
    encoded = _median_seconds(partial(anew.get, pair, bucket) for pair in made)
    cached = CachedItems(folder / "cache", encoder, folder / "contents")
    began = time.perf_counter()
    cached.fill([(pair, bucket) for pair in made])
    fill = (time.perf_counter() - began) / NUM_PAIRS
    cached.get(made[0], bucket)
    read = _median_seconds(partial(cached.get, pair, bucket) for pair in made)
    return ItemCost(encoded_seconds=encoded, cached_seconds=read, fill_seconds=fill)


def _written(folder: Path, number: int, bucket: Bucket) -> TrainingPair:
    made = pairs(number, 1)[0]
    paths = {which: folder / f"{number}-{which}.mp4" for which in ("source", "edited")}
    shown = {"source": made.source, "edited": made.edited}
    for which, path in paths.items():
        video.write(path, _scaled(render(shown[which], bucket.frames), bucket), FPS)
    key = folder / f"{number}-key.png"
    middle = _scaled(render(made.edited, bucket.frames), bucket)[bucket.frames // 2]
    cv2.imwrite(str(key), cv2.cvtColor(middle, cv2.COLOR_RGB2BGR))
    return TrainingPair(
        id=str(number),
        source=paths["source"],
        edited=paths["edited"],
        key_frame=key,
        instruction=made.instruction,
        edit_type=made.kind,
        scope="local",
        split="train",
        scores={},
        frames=bucket.frames,
        width=bucket.width,
        height=bucket.height,
    )


def _scaled(clip: Frames, bucket: Bucket) -> Frames:
    return np.stack([cv2.resize(frame, (bucket.width, bucket.height)) for frame in clip]).astype(np.uint8)


def _median_seconds(calls: Iterable[Callable[[], object]]) -> float:
    seconds = []
    for call in calls:
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return median(seconds)
