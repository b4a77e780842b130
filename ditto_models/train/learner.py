"""The network that learns, its optimizer and its average: what a checkpoint is taken of, and goes back into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ditto_models.train.averaging import Average
from ditto_models.train.checkpoints import TrainingState
from ditto_models.train.precision import kept_in_float32
from ditto_models.train.processes import Processes
from ditto_models.train.recipe import Recipe
from ditto_models.train.step import Sample, Stepper, StepResult
from ditto_models.train.trainable import made_trainable

if TYPE_CHECKING:
    import torch

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Learner:
    """All processes call all methods; what is whole is on the main process alone."""

    def __init__(self, recipe: Recipe, transformer: Any, processes: Processes) -> None:
        """What trains of the transformer becomes float32 and may be spread over the processes; the rest stays."""
        import torch

        self._processes = processes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # a LoRA's factors are drawn, and alike everywhere
            made_trainable(transformer, recipe.trains)
        kept_in_float32(transformer)
        if recipe.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        network = processes.spread(transformer.train())
        self.parameters: dict[str, torch.nn.Parameter] = {
            name: each for name, each in transformer.named_parameters() if each.requires_grad
        }
        config = recipe.optimizer
        self._optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
        )
        self.average = Average(recipe.ema, self.parameters)
        self.stepper = Stepper(recipe, processes, network, self._optimizer)

    def step(self, number: int, samples: Sequence[Sample]) -> StepResult:
        """Step `number`, from 0, with this process's samples."""
        result = self.stepper.step(number, samples)
        self.average.follow(number + 1)
        return result

    def captured(self, step: int, numbers: Mapping[str, float | int | str]) -> TrainingState:
        """As it is after so many steps, at least one. Nothing else changes: what is random follows from the step."""
        return TrainingState(
            step=step,
            trained=self._processes.whole(self.parameters),
            average=self._processes.whole(self.average.tensors) if self.average.is_kept else None,
            optimizer=self._processes.whole(self._moments()),
            numbers=numbers,
        )

    def restore(self, state: TrainingState | None) -> None:
        """Go on from the main process's state; what others give is not looked at."""
        import torch

        for parameter in self.parameters.values():
            for name in _MOMENTS:
                self._optimizer.state[parameter][name] = torch.zeros_like(parameter)
            self._optimizer.state[parameter]["step"] = torch.zeros(())
        self._processes.fill(self.parameters, state.trained if state else {})
        if self.average.is_kept:
            self._processes.fill(self.average.tensors, (state.average or {}) if state else {})
        self._processes.fill(self._moments(), state.optimizer if state else {})

    def _moments(self) -> dict[str, torch.Tensor]:
        return {
            f"{key}.{name}": self._optimizer.state[parameter][key]
            for name, parameter in self.parameters.items()
            for key in (*_MOMENTS, "step")
        }
