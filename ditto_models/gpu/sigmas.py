"""Noise levels of flow-matching networks, step by step: 1 is noise alone, 0 the finished video.

A step-distilled network knows only the levels that it was distilled at. diffusers' own schedulers miss them at few
steps: FlowMatchEuler with shift 5 and 4 steps shifts twice and gives 1, .91, .717, .024; so they are set here, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

NUM_TRAIN_TIMESTEPS = 1000


class FewSteps(BaseModel):
    """For step-distilled weights (CausVid, lightx2v, self-forcing): Euler steps at exactly their levels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["few"] = "few"
    """Tells it from full steps."""
    num_steps: int = Field(default=4, ge=1)
    """As many as the weights were distilled for, or close to it."""
    shift: float = Field(default=5.0, gt=0)
    """How much longer to stay at high noise, as in the distillation; 5 for lightx2v and CausVid."""


class FullSteps(BaseModel):
    """For weights that are not distilled: the scheduler that they come with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["full"] = "full"
    """Tells it from few steps."""
    num_steps: int = Field(default=50, ge=1)
    """More are slower and better, up to about 50."""


def shifted(level: float, shift: float) -> float:
    """A noise level 0..1 moved towards noise (Esser et al. 2024, arXiv 2403.03206, section 5.3.2)."""
    return shift * level / (1 + (shift - 1) * level)


def few_step_sigmas(num_steps: int, shift: float) -> tuple[float, ...]:
    """The levels of a distilled network, from 1 down to 0: one more than there are steps."""
    return tuple(shifted(1 - step / num_steps, shift) for step in range(num_steps + 1))


def tail_sigmas(num_steps: int, shift: float, last: int) -> tuple[float, ...]:
    """The levels of the last few of `num_steps` steps, down to 0: where a video is redrawn from part noise (SDEdit)."""
    return few_step_sigmas(num_steps, shift)[num_steps - last :]


def of_timesteps(timesteps: Sequence[float]) -> tuple[float, ...]:
    """Levels of timesteps 0..1000, with the closing 0."""
    return (*(timestep / NUM_TRAIN_TIMESTEPS for timestep in timesteps), 0.0)


def idle_expert(sigmas: Sequence[float], boundary_ratio: float) -> str:
    """Which of two experts would have no step, "high-noise" or "low-noise"; nothing where both have one.

    The boundary is where diffusers has it: the expert for high noise takes the levels from the ratio up.
    """
    steps = sigmas[:-1]
    if not any(sigma < boundary_ratio for sigma in steps):
        return "low-noise"
    return "" if any(sigma >= boundary_ratio for sigma in steps) else "high-noise"


def exact_scheduler(sigmas: Sequence[float]) -> Any:
    """A scheduler of diffusers that makes Euler steps at these levels, whatever number of steps a pipeline asks for."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    class ExactScheduler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
        def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None) -> None:
            super().set_timesteps(sigmas=list(sigmas[:-1]), device=device)

        def step(self, model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            # The video goes on in the precision that it came in. By itself diffusers rounds it, after each step and
            # after the last, to what the transformer computes in: 8 bits in bfloat16.
            return super().step(model_output.to(sample.dtype), timestep, sample, *args, **kwargs)

    return ExactScheduler(num_train_timesteps=NUM_TRAIN_TIMESTEPS, shift=1.0)
