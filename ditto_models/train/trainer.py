"""The training loop: plan, items, step, average, log, checkpoint, until the recipe's steps are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.averaging import Average
from ditto_models.train.batches import StepPlan, plans
from ditto_models.train.buckets import Bucket
from ditto_models.train.card import BASE, EdittoCard
from ditto_models.train.items import Items
from ditto_models.train.pairs import TrainingPair
from ditto_models.train.processes import Processes
from ditto_models.train.recipe import Recipe
from ditto_models.train.result import exported, save_result
from ditto_models.train.step import Sample, Stepper, StepResult, places_of
from ditto_models.train.trainable import made_trainable

if TYPE_CHECKING:
    pass

PairInBucket = tuple[TrainingPair, Bucket]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training ended."""

    steps: int
    """Of the optimizer, in all sessions."""
    is_done: bool
    """Whether they are all that the recipe wants."""


def train(
    recipe: Recipe,
    transformer: Any,
    items: Items,
    pairs_with_buckets: Sequence[PairInBucket],
    out: Path,
    *,
    base: WeightsConfig | None = None,
    snapshot_hash: str = "",
    processes: Processes | None = None,
    watch: Callable[[int, StepResult], None] = lambda steps, result: None,
) -> Outcome:
    """Train a WanVACETransformer3DModel and write CKPT's files to `out`.

    Args:
        recipe: all that it depends on besides its data
        transformer: the base; what the recipe says trains of it, and holds the last weights afterwards
        items: of the pairs
        pairs_with_buckets: that are trained on, each in the bucket that it is trained at
        out: the folder CKPT
        base: where the transformer came from, for the card; None is CKPT/base, which the caller saves
        snapshot_hash: of the data, for the card
        processes: those of this training, where they were made before
        watch: is told of every step: how many are done, and what came of the last

    Raises:
        TrainingFailed: a loss or a gradient is not finite.
    """
    processes = processes or Processes.of(recipe)
    run = _Training(recipe, transformer, items, processes)
    batch = recipe.optimizer.batch_size * recipe.optimizer.accumulation * processes.count
    planned = plans(pairs_with_buckets, recipe.curriculum, recipe.seed, batch)
    for number, plan in enumerate(islice(planned, recipe.steps)):
        result = run.step(number, plan)
        watch(number + 1, result)
    weights = processes.whole(run.average.tensors)
    if processes.is_main:
        card = EdittoCard(
            base=base or WeightsConfig(repo=BASE),
            kind=recipe.trains.kind,
            steps=recipe.steps,
            is_average=run.average.is_kept,
            buckets=recipe.data.buckets,
            key_frame_at_end=recipe.curriculum.key_frame.at(recipe.steps - 1),
            snapshot_hash=snapshot_hash,
            num_pairs=len(pairs_with_buckets),
            recipe_hash=recipe.hash,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        out.mkdir(parents=True, exist_ok=True)
        save_result(out, card, exported(recipe.trains, weights))
    return Outcome(steps=recipe.steps, is_done=True)


class _Training:
    """What changes while it goes on."""

    def __init__(self, recipe: Recipe, transformer: Any, items: Items, processes: Processes) -> None:
        import torch

        self._recipe = recipe
        self._items = items
        self._processes = processes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # a LoRA's factors are drawn, and alike everywhere
            made_trainable(transformer, recipe.trains)
        for parameter in transformer.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        if recipe.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        network = processes.spread(transformer.train())
        self.parameters = {name: each for name, each in transformer.named_parameters() if each.requires_grad}
        config = recipe.optimizer
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
        )
        self.average = Average(recipe.ema, self.parameters)
        self._stepper = Stepper(recipe, processes, network, self.optimizer)

    def step(self, number: int, plan: StepPlan) -> StepResult:
        """Step `number`, from 0."""
        result = self._stepper.step(number, self._samples(plan))
        self.average.follow(number + 1)
        return result

    def _samples(self, plan: StepPlan) -> list[Sample]:
        config = self._recipe.optimizer
        slices = places_of(self._processes.number, self._processes.count, config.batch_size, config.accumulation)
        return [
            Sample(
                place=place,
                pair_id=plan.pairs[place].id,
                item=self._items.get(plan.pairs[place], plan.bucket),
            )
            for places in slices
            for place in places
        ]
