"""What a recipe is about to do with a dataset, in a few lines, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ditto_models.gpu.weights import WeightsConfig, located
from ditto_models.train.pairs import PairInBucket
from ditto_models.train.processes import Processes
from ditto_models.train.recipe import Recipe
from ditto_models.train.snapshot import Snapshot
from ditto_models.train.trainable import made_trainable


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained on and validated with."""

    snapshot: Snapshot
    pairs: tuple[PairInBucket, ...]
    validation: tuple[PairInBucket, ...]


def summary(recipe: Recipe, base: WeightsConfig, data: Data, processes: Processes) -> Iterator[str]:
    """Its lines."""
    buckets = Counter(str(bucket) for _, bucket in data.pairs)
    listed = ", ".join(f"{count} in {bucket}" for bucket, count in buckets.most_common())
    yield f"data: {_counted(len(data.pairs), 'pair')} to train on ({listed}), {len(data.validation)} to validate with"
    if data.snapshot.left_out:
        reasons = sorted(data.snapshot.left_out.items())
        yield "left out: " + ", ".join(f"{count} ({reason})" for reason, count in reasons)
    yield from (f"note: {note}" for note in data.snapshot.notes)
    trained, whole = num_parameters(recipe, base)
    yield (
        f"trains: {recipe.trains.kind}, {trained / 1e6:,.2f} of {whole / 1e6:,.2f} million parameters of "
        f"{base.repo!r}, on {_counted(processes.count, 'process')} with {processes.device.type} in {recipe.precision}"
    )
    batch = recipe.optimizer.whole_batch(processes.count)
    key = recipe.curriculum.key_frame
    falls = f"annealed from {key.start:g} to {key.end:g} until step {key.hold_steps + key.anneal_steps}"
    yield (
        f"steps: {recipe.steps} of {_counted(batch, 'sample')}; key frame "
        f"{f'given with probability {key.start:g}' if key.schedule == 'off' else falls}"
    )


def num_parameters(recipe: Recipe, base: WeightsConfig) -> tuple[int, int]:
    """How many numbers train, and how many there are; no weights are read for it."""
    import torch
    from diffusers import WanVACETransformer3DModel

    config = WanVACETransformer3DModel.load_config(located(base), subfolder="transformer")
    with torch.device("meta"):
        transformer = WanVACETransformer3DModel.from_config(config)
        whole = sum(each.numel() for each in transformer.parameters())
        trained = sum(each.numel() for each in made_trainable(transformer, recipe.trains).values())
    return trained, whole


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
