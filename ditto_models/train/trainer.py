"""The training loop: plan, items, step, log, validation, checkpoint, until the recipe's steps are done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ditto_models.command import CommandError
from ditto_models.gpu.editto_card import BASE
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.batch_reading import BatchReader, SkippedPairs
from ditto_models.train.batches import plans
from ditto_models.train.checkpoints import CHECKPOINTS, latest, save
from ditto_models.train.claim import keep_recipe
from ditto_models.train.curriculum_plot import PLOT, plot_curriculum
from ditto_models.train.items import Items
from ditto_models.train.learner import Learner
from ditto_models.train.log_lines import read_log
from ditto_models.train.pairs import PairInBucket
from ditto_models.train.processes import Processes
from ditto_models.train.recipe import Recipe
from ditto_models.train.result import card_of, exported, save_result
from ditto_models.train.step import StepResult, places_of
from ditto_models.train.stopping import StopRequest
from ditto_models.train.training_log import TrainingLog
from ditto_models.train.validation import Validation


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training ended."""

    steps: int
    """Of the optimizer, in all sessions."""
    is_done: bool
    """Whether they are all that the recipe wants; if not, somebody asked it to stop."""


def train(
    recipe: Recipe,
    transformer: Any,
    items: Items,
    pairs_with_buckets: Sequence[PairInBucket],
    out: Path,
    *,
    validation: Sequence[PairInBucket] = (),
    base: WeightsConfig | None = None,
    snapshot_hash: str = "",
    processes: Processes | None = None,
    watch: Callable[[int, StepResult], None] = lambda steps, result: None,
) -> Outcome:
    """Train a WanVACETransformer3DModel and write CKPT's files to `out`; a training that stopped there goes on.

    Args:
        recipe: all that it depends on besides its data
        transformer: the base; what the recipe says trains of it, and it holds the last weights afterwards
        items: of the pairs, those for validation too
        pairs_with_buckets: that are trained on, each in the bucket that it is trained at
        out: the folder CKPT, which no other training works in
        validation: pairs that are not trained on
        base: where the transformer came from, for the card; None is CKPT/base, which the caller saves
        snapshot_hash: of the data, for the card
        processes: those of this training, where they were made before
        watch: is told of every step: how many are done, and what came of the last

    Raises:
        CommandError: the folder was begun with another recipe or another number of samples a step.
        TrainingFailed: a loss or a gradient is not finite, or no pair can be used.
        CheckpointError: the disk is full; the last good checkpoint stays.
    """
    processes = processes or Processes.of(recipe)
    processes.on_main(lambda: keep_recipe(out, recipe))
    with ExitStack() as stack:
        training = _Training(recipe, transformer, items, pairs_with_buckets, validation, out, processes)
        begin = training.resume()
        log = None
        if processes.is_main:
            log = stack.enter_context(
                TrainingLog(out, recipe, batch=training.batch, step=begin, waiting=training.waiting)
            )
        stop = stack.enter_context(StopRequest(launched=processes.count > 1))
        steps = training.run(begin, stop, log, watch)
        if steps >= recipe.steps:
            weights = exported(recipe.trains, processes.whole(training.learner.average.tensors))
            card = card_of(recipe, base or WeightsConfig(repo=BASE), snapshot_hash, len(pairs_with_buckets))
            processes.on_main(lambda: save_result(out, card, weights))
        processes.on_main(lambda: plot_curriculum(out / PLOT, recipe.curriculum, recipe.steps, read_log(out)))
    return Outcome(steps=steps, is_done=steps >= recipe.steps)


class _Training:
    def __init__(
        self,
        recipe: Recipe,
        transformer: Any,
        items: Items,
        pairs_with_buckets: Sequence[PairInBucket],
        validation: Sequence[PairInBucket],
        out: Path,
        processes: Processes,
    ) -> None:
        config = recipe.optimizer
        self._recipe = recipe
        self._processes = processes
        self._out = out
        self.batch = config.whole_batch(processes.count)
        self.learner = Learner(recipe, transformer, processes)
        skipped = SkippedPairs(out, processes)
        self._pairs = [each for each in pairs_with_buckets if not skipped.at_start(each[0])]
        slices = places_of(processes.number, processes.count, config.batch_size, config.accumulation)
        self._reader = BatchReader(
            items, self._pairs, skipped, recipe.seed, [place for places in slices for place in places]
        )
        self._validation = Validation(items, validation, skipped, processes, self.learner.stepper)
        self.waiting = "[]"
        """What the log of the session before had not written yet; known to the main process once it goes on."""

    def resume(self) -> int:
        """Go on from the last checkpoint, if there is one; returns the steps that were made."""
        state = latest(self._out / CHECKPOINTS) if self._processes.is_main else None
        step, batch = self._processes.broadcast((state.step, state.numbers["batch"]) if state else (0, self.batch))
        if batch != self.batch:
            raise CommandError(
                f"{str(self._out)!r} was begun with {batch} samples a step, not {self.batch}; expected "
                "optimizer.batch_size x optimizer.accumulation x processes to stay the same, or a new --out"
            )
        if step:
            self.learner.restore(state)
            if state is not None:
                self.waiting = str(state.numbers.get("waiting", self.waiting))
                print(f"goes on after step {step} of {self._recipe.steps}", file=sys.stderr)
        return step

    def run(
        self,
        begin: int,
        stop: StopRequest,
        log: TrainingLog | None,
        watch: Callable[[int, StepResult], None],
    ) -> int:
        """Make steps until all are made or one is asked to stop; returns how many are made."""
        planned = plans(self._pairs, self._recipe.curriculum, self._recipe.seed, self.batch)
        for number, plan in enumerate(islice(planned, begin, self._recipe.steps), begin):
            result = self.learner.step(number, self._reader.samples(number, plan))
            done = number + 1
            watch(done, result)
            is_last = done == self._recipe.steps
            must_validate = is_last or done % self._recipe.validation.every_steps == 0
            validation_loss = self._validation_loss(done) if must_validate else None
            if log is not None:
                log.write(done, result, validation_loss)
            must_stop = bool(self._processes.summed([stop.is_asked])[0]) and not is_last
            if is_last or must_stop or done % self._recipe.saving.every_steps == 0:
                self._save(done, log.waiting if log is not None else "")
            if must_stop:
                return done
        return max(begin, self._recipe.steps)

    def _validation_loss(self, done: int) -> float | None:
        with self.learner.average.in_place():
            return self._validation.loss(done)

    def _save(self, done: int, waiting: str) -> None:
        state = self.learner.captured(done, {"batch": self.batch, "waiting": waiting})
        self._processes.on_main(lambda: save(self._out / CHECKPOINTS, state, self._recipe.saving.keep))
