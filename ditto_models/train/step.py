"""One step of the optimizer: the gradients of a whole batch, slice by slice, and what is told of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ditto_models.command import CommandFailed
from ditto_models.train.flow_matching import draw, losses
from ditto_models.train.items import Item
from ditto_models.train.processes import Processes
from ditto_models.train.recipe import Recipe

if TYPE_CHECKING:
    import torch


class TrainingFailed(CommandFailed):
    """The training cannot go on; the message says at which step, why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One of this process's share of a step's whole batch."""

    place: int
    """In the whole batch."""
    pair_id: str
    item: Item
    """On the CPU."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """Of the whole batch, over all processes."""

    loss: float
    """Mean over the samples."""
    loss_with_key: float | None
    """Of those that were given the key frame; None where none was."""
    loss_without_key: float | None
    num_with_key: int
    """Samples that were given it."""
    gradient_norm: float
    """Before clipping."""


def places_of(process: int, processes: int, batch_size: int, accumulation: int) -> list[range]:
    """The places in the whole batch that a process takes, a slice for each of its passes.

    Slices of `batch_size` are dealt out to the processes in turn, so that two processes see what one with twice the
    batch size sees.
    """
    slices = range(process, processes * accumulation, processes)
    return [range(number * batch_size, (number + 1) * batch_size) for number in slices]


class Stepper:
    """Makes steps with one network and one optimizer."""

    def __init__(self, recipe: Recipe, processes: Processes, network: Any, optimizer: torch.optim.Optimizer) -> None:
        import torch

        self._recipe = recipe
        self._processes = processes
        self._network = network
        self._optimizer = optimizer
        self._dtype: torch.dtype = getattr(torch, recipe.dtype)
        self._batch = recipe.optimizer.whole_batch(processes.count)

    def step(self, number: int, samples: Sequence[Sample]) -> StepResult:
        """Take step `number`, from 0, with this process's samples, in order.

        Raises:
            TrainingFailed: a loss or a gradient is not finite; the weights are left as they were.
        """
        taken: list[tuple[Sample, bool]] = []
        losses: list[torch.Tensor] = []
        passes = self._passes(samples)
        for count, members in enumerate(passes, 1):
            given = [self._gives_key_frame(number, sample.place) for sample in members]
            with self._processes.passing(self._network, last=count == len(passes)):
                each = self.losses(number, members, given)
                # DDP and FSDP2 take the mean over the processes.
                self._processes.backward(
                    self._network, each.sum() * (self._processes.count / self._batch), last=count == len(passes)
                )
            taken += zip(members, given, strict=True)
            losses.append(each.detach())
        length = self._processes.clipped(self._parameters(), self._recipe.optimizer.max_gradient_norm)
        *numbers, norm = self._processes.read([*losses, length])
        found = [(*each, loss) for each, loss in zip(taken, numbers, strict=True)]
        result = self._summary(found, norm)
        if not (math.isfinite(result.loss) and math.isfinite(norm)):
            self._optimizer.zero_grad()
            raise TrainingFailed(self._not_finite(number, found, result))
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._recipe, number)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return result

    def losses(self, number: int, samples: Sequence[Sample], given: Sequence[bool]) -> torch.Tensor:
        """The loss of each sample, B, at the draws of a step."""
        items = [on_device(sample.item, self._processes.device, self._dtype) for sample in samples]
        draws = [
            draw(self._recipe.noise, self._recipe.seed, number, sample.place, sample.item.edited_CTHW)
            for sample in samples
        ]
        return losses(self._network, items, draws, given)

    def _gives_key_frame(self, number: int, place: int) -> bool:
        return self._recipe.curriculum.gives_key_frame(self._recipe.seed, number, place)

    def _passes(self, samples: Sequence[Sample]) -> list[Sequence[Sample]]:
        size = 1 if self._processes.one_by_one else self._recipe.optimizer.batch_size
        return [samples[begin : begin + size] for begin in range(0, len(samples), size)]

    def _parameters(self) -> Iterable[torch.nn.Parameter]:
        return (parameter for group in self._optimizer.param_groups for parameter in group["params"])

    def _summary(self, found: Iterable[tuple[Sample, bool, float]], norm: float) -> StepResult:
        sums = {with_key: [loss for _, given, loss in found if given == with_key] for with_key in (True, False)}
        mine = [number for each in sums.values() for number in (sum(each), len(each))]
        with_key, num_with, without, num_without = self._processes.summed(mine)
        return StepResult(
            loss=(with_key + without) / (num_with + num_without),
            loss_with_key=with_key / num_with if num_with else None,
            loss_without_key=without / num_without if num_without else None,
            num_with_key=round(num_with),
            gradient_norm=norm,
        )

    def _not_finite(self, number: int, found: Iterable[tuple[Sample, bool, float]], result: StepResult) -> str:
        everywhere = self._processes.gathered([(sample.pair_id, loss) for sample, _, loss in found])
        blamed = [pair for pair, loss in everywhere if not math.isfinite(loss)]
        what = "the loss of" if blamed else "the gradient of"
        shown = ", ".join(map(repr, (blamed or [pair for pair, _ in everywhere])[:8]))
        return (
            f"step {number + 1}: {what} {shown} is not finite (loss {result.loss}, gradient norm "
            f"{result.gradient_norm}); nothing was changed by it and the last checkpoint stays; look at these pairs, "
            "or train into another --out with a lower optimizer.learning_rate"
        )


def learning_rate(recipe: Recipe, number: int) -> float:
    """Of step `number`, from 0: it rises evenly over the warm-up, and stays."""
    rising = (number + 1) / (recipe.optimizer.warmup_steps + 1)
    return recipe.optimizer.learning_rate * min(1.0, rising)


def on_device(item: Item, device: torch.device, dtype: torch.dtype) -> Item:
    """An item where the network is; its text in the precision that the network computes in, latents in their own."""
    moved = {name: tensor.to(device, non_blocking=True) for name, tensor in vars(item).items()}
    return replace(item, **moved | {"text_LD": moved["text_LD"].to(dtype)})
