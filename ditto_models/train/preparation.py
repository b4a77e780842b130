"""Everything that a training needs, out of a dataset and a recipe: snapshot, base, encoded pairs, transformer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ditto_models.gpu.buckets import bucket_of
from ditto_models.gpu.editto_card import BASE
from ditto_models.gpu.weights import WeightsConfig, located
from ditto_models.train.base_transformer import base_transformer
from ditto_models.train.batch_reading import SkippedPairs
from ditto_models.train.checkpoints import CHECKPOINTS
from ditto_models.train.claim import is_begun
from ditto_models.train.curriculum import chance
from ditto_models.train.encoding import EncodedItems, Encoder
from ditto_models.train.gpus_held import write_gpus_held
from ditto_models.train.items import Items
from ditto_models.train.latent_cache import CachedItems
from ditto_models.train.pairs import PairInBucket, TrainingPair
from ditto_models.train.processes import Processes
from ditto_models.train.random_base import save_random_base
from ditto_models.train.recipe import RandomBase, Recipe
from ditto_models.train.snapshot import freeze, read_snapshot
from ditto_models.train.summary import Data, summary

CONTENTS = "contents"
"""Folder in CKPT: what the files of its pairs contain, by sha256."""
LATENTS = "latents"
"""Folder in CKPT, where no --cache is given."""
_TELL_SECONDS = 10.0
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `train` is given."""

    data: Data
    items: Items
    transformer: Any
    base: WeightsConfig | None
    """Where the transformer came from, for the card; None where it was made in CKPT."""


def prepared(recipe: Recipe, data: Path, out: Path, cache: Path | None, processes: Processes, say: Say) -> Prepared:
    """Everything, from the dataset to the transformer; says what the recipe will do before the work begins.

    Raises:
        CommandError: the base does not suit.
        CommandFailed: the disk is full, or no pair can be used.
        SnapshotError: the dataset cannot be read or has nothing to train on, or CKPT's snapshot is of another.
        WeightsError: the base cannot be read.
    """
    found = _frozen(data, out, recipe, processes)
    processes.on_main(lambda: write_gpus_held(out, processes.num_gpus))
    base = _base_of(recipe, out, processes)
    for line in summary(recipe, base, found, processes):
        say(line)
    items = _items_of(base, recipe, found, cache, out, processes, say)
    is_own = isinstance(recipe.base, RandomBase)
    transformer = base_transformer(base, recipe, processes)
    return Prepared(data=found, items=items, transformer=transformer, base=None if is_own else base)


def _frozen(data: Path, out: Path, recipe: Recipe, processes: Processes) -> Data:
    """The snapshot of CKPT, made of the dataset where there is none yet, and the bucket of each of its pairs.

    Raises:
        SnapshotError: the dataset cannot be read or has nothing to train on, or CKPT's snapshot is of another.
    """
    made = processes.on_main(lambda: freeze(data, out, recipe.data))
    snapshot = made or read_snapshot(out)
    validation = sorted(snapshot.validation, key=lambda pair: chance(pair.id))[: recipe.validation.pairs]
    return Data(
        snapshot=snapshot,
        pairs=_in_buckets(snapshot.pairs, recipe),
        validation=_in_buckets(validation, recipe),
    )


def _in_buckets(pairs: Sequence[TrainingPair], recipe: Recipe) -> tuple[PairInBucket, ...]:
    placed = ((pair, bucket_of(pair.frames, pair.height, pair.width, recipe.data.buckets)) for pair in pairs)
    return tuple((pair, bucket) for pair, bucket in placed if bucket is not None)


def _base_of(recipe: Recipe, out: Path, processes: Processes) -> WeightsConfig:
    """The base's weights, on this machine; a random one is made in CKPT, and a folder's name holds wherever it is read.

    Raises:
        WeightsError: there are none, or they are another model's.
    """
    if isinstance(recipe.base, RandomBase):
        size = recipe.base.size

        def made() -> None:
            if not is_begun(out):  # what lies there may be of another size or seed, which was tried before this one
                shutil.rmtree(out / BASE, ignore_errors=True)
            save_random_base(out / BASE, size, recipe.seed)

        processes.on_main(made)
        return WeightsConfig(repo=str(out / BASE))
    base = recipe.base
    processes.on_main(lambda: located(base))
    folder = Path(base.repo).expanduser()
    return base.model_copy(update={"repo": str(folder.absolute())}) if folder.is_dir() else base


def _items_of(
    base: WeightsConfig, recipe: Recipe, data: Data, cache: Path | None, out: Path, processes: Processes, say: Say
) -> Items:
    """Items of all pairs: encoded now and kept, or as they are asked for, as the recipe says.

    Raises:
        CommandFailed: the disk is full, or too small.
    """
    encoder = Encoder(base, str(processes.device), recipe.dtype)
    if recipe.data.cache == "none":
        return EncodedItems(encoder)
    every = (*data.pairs, *data.validation)
    items = CachedItems(cache or out / LATENTS, encoder, out / CONTENTS)
    processes.on_main(lambda: _announce(items, every, say))
    told = _Told(say)
    unusable = items.fill(every, told.progress, processes.number, processes.count)
    skipped = SkippedPairs(out, processes)
    # One that broke since the training began stays in its plan, which goes on, and others stand in for it.
    begun = int(any((out / CHECKPOINTS).glob("step-*")))
    skipped.agree(unusable, begun)
    return items


class _Told:
    """Of the encoding: a line now and then, since it may take hours."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._begun = self._last = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last > _TELL_SECONDS and 0 < done < total:
            self._last = now
            left = timedelta(seconds=round((now - self._begun) / done * (total - done)))
            self._say(f"encoded {done} of this process's {total} texts and pairs, {left} left")


def _announce(items: CachedItems, every: Sequence[PairInBucket], say: Say) -> None:
    cost = items.cost(every)
    say(str(cost))
    cost.check()
