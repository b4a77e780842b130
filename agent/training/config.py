"""The profile's section `training`: when a run's pairs are trained on, how, and what the evaluation leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class FlywheelConfig(BaseModel):
    """Whether edit types in which the trained editor is weak are asked for more often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: bool = False
    least: float = Field(default=0.5, gt=0, le=1)
    """Weight of the edit type that the editor does best; 1 is that of one it does as well as all together."""
    most: float = Field(default=2.0, ge=1)
    """Weight of the one that it does worst."""
    trusted_pairs: float = Field(default=20.0, gt=0)
    """An edit type with so many evaluated pairs counts half by itself and half as all together."""


class TrainingConfig(BaseModel):
    """When the planner is offered to train, and the job that comes of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: int | None = Field(default=None, ge=1)
    """Offered when so many pairs were accepted since it last was; None is never."""
    at_end: bool = False
    """Offered when the campaign has met its target or used up its clips, if pairs were accepted since it last was; the
    campaign waits for the job."""
    recipes: tuple[str, ...] = Field(default=("wan_vace_1_3b",), min_length=1)
    """Names or paths that the planner may choose among, the first where nobody chooses."""
    overrides: tuple[str, ...] = ()
    """key.path=value of every recipe."""
    min_scores: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """By axis of the critic: what a pair must have at least to be trained on."""
    edit_types: tuple[str, ...] = ()
    """Only these are trained on; all where none is named."""
    least_pairs: int = Field(default=1, ge=1)
    """With fewer pairs to train on, nothing is offered."""
    cache: Path | None = None
    """Folder of latents and embeddings, which jobs share; None is RUN/training/cache."""
    exclusive: bool = True
    """Whether samples wait, and networks give back their memory, while a job runs."""
    command: tuple[str, ...] = ()
    """What trains, in place of `python -m ditto_models.train`, for example [accelerate, launch, -m,
    ditto_models.train]; it gets the same arguments."""
    evaluate_on: Literal["test", "validation", "train", "all", "none"] = "test"
    """The split on which the editor is evaluated once it is trained; none is not at all. A run of few sources may have
    no test pair."""
    evaluate_most: int | None = Field(default=200, ge=1)
    """On so many pairs of it, drawn the same way each time; None is all."""
    evaluate_command: tuple[str, ...] = ()
    """What evaluates, in place of `python -m agent.evaluate`."""
    stop_seconds: float = Field(default=300.0, ge=0)
    """For a job that is asked to stop to save what it has; then it is killed."""
    flywheel: FlywheelConfig = FlywheelConfig()

    @property
    def is_on(self) -> bool:
        """Whether anything is ever offered."""
        return self.every is not None or self.at_end
