"""A recipe: everything that a training depends on besides its data, and what of the data it takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.placement import Dtype
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.settings import SettingsError, first_problem, override, read_settings
from ditto_models.train.curriculum import Curriculum
from ditto_models.train.flow_matching import NoiseConfig
from ditto_models.train.trainable import Linear, Trains

FOLDER = Path(__file__).parent / "recipes"
Decay = Annotated[float, Field(ge=0, lt=1)]


class RecipeError(SettingsError):
    """A recipe or an override that cannot be used; the message says which key, what was expected, what to do."""


class PublishedBase(WeightsConfig):
    """A Wan-VACE in diffusers' layout, with its VAE and text encoder."""

    kind: Literal["weights"] = "weights"


class RandomBase(BaseModel):
    """A Wan-VACE with random weights, made on the spot: it shows that training works and knows nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["random"] = "random"
    size: Literal["tiny", "small"] = "tiny"
    """About a quarter of a million, or 2.7 million numbers."""


class DataConfig(BaseModel):
    """Which pairs of a dataset are trained on, and at which sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    buckets: tuple[Bucket, ...] = Field(min_length=1)
    """Sizes that are trained at; a clip goes to the nearest aspect that it is long enough for."""
    min_scores: dict[str, float] = Field(default_factory=dict)
    """By axis of the critic, what a pair must have at least; one that was not judged on the axis is left out."""
    edit_types: tuple[str, ...] = ()
    """Only these; all where none is named."""
    scope: Literal["global", "local", "both"] = "both"
    """Only edits of this scope."""
    most_pairs: int | None = Field(default=None, ge=1)
    """The first so many by a hash of their ids; None is all."""
    cache: Literal["latents", "none"] = "latents"
    """Whether every pair is encoded once, before training, or anew at every step."""


class OptimizerConfig(BaseModel):
    """AdamW."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rate: float = Field(default=1e-4, gt=0)
    """Constant after the warm-up, as in the paper."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises from 0."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled down to it."""
    batch_size: int = Field(default=1, ge=1)
    """Samples that pass through a process at once."""
    accumulation: int = Field(default=1, ge=1)
    """Passes to one step of the optimizer."""

    def whole_batch(self, processes: int) -> int:
        """Samples of one step, over so many processes and all passes."""
        return self.batch_size * self.accumulation * processes


class EmaConfig(BaseModel):
    """An exponential moving average of what trains; where there is one, it is what is exported."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    decay: float = Field(default=0.999, gt=0, lt=1)
    """The highest; it rises to it from the first step on, as (1 + step) / (10 + step)."""


class SavingConfig(BaseModel):
    """Checkpoints."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    every_steps: int = Field(default=500, ge=1)
    keep: int = Field(default=3, ge=1)
    """The latest so many stay; older ones are removed."""


class ValidationConfig(BaseModel):
    """The loss on the validation split, of the averaged weights and with the instruction alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    every_steps: int = Field(default=500, ge=1)
    pairs: int = Field(default=32, ge=0)
    """At most so many, the first by a hash of their ids; 0 is no validation."""


class LoggingConfig(BaseModel):
    """What is written down of the way."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    every_steps: int = Field(default=10, ge=1)
    tensorboard: bool = True


class Recipe(BaseModel):
    """Of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: Annotated[PublishedBase | RandomBase, Field(discriminator="kind")]
    """What it starts from."""
    trains: Trains = Linear()
    """What of it trains."""
    data: DataConfig
    curriculum: Curriculum = Curriculum()
    noise: NoiseConfig = NoiseConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    ema: EmaConfig | None = EmaConfig()
    steps: int = Field(ge=1)
    """Of the optimizer."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto is a GPU where there is one."""
    precision: Literal["bf16", "float32"] = "bf16"
    """In which the network computes; what trains is kept in float32."""
    gradient_checkpointing: bool = True
    """Compute activations twice and keep few."""
    sharding: Literal["none", "fsdp2"] = "none"
    """Whether every process holds the whole network, or its share of it."""
    saving: SavingConfig = SavingConfig()
    validation: ValidationConfig = ValidationConfig()
    logging: LoggingConfig = LoggingConfig()

    @property
    def dtype(self) -> Dtype:
        """In which weights that do not train are kept, and what is encoded."""
        return "bfloat16" if self.precision == "bf16" else "float32"

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the sha256 of all of it."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """A recipe by name (ditto_models/train/recipes/NAME.yaml) or by path, with `key.path=value` overrides.

    Raises:
        RecipeError: there is no such recipe, it is not YAML, a key is unknown, or a value is out of bounds.
    """
    try:
        values, path = read_settings(name, FOLDER, "recipe")
        for text in overrides:
            override(values, text, "recipe", "optimizer.learning_rate=1e-5")
    except SettingsError as error:
        raise RecipeError(str(error)) from error
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"recipe {str(path)!r}: {first_problem(error)}") from error
