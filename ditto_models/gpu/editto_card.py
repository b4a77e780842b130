"""The card of a trained Editto, beside its weights: what is needed to load it, and what it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from ditto_models.settings import first_problem

CARD = "editto.json"
WEIGHTS = "editto.safetensors"
"""The change to the base, in diffusers' names: whole weights (linear, branch) or a LoRA's factors."""
BASE = "base"
"""Folder of a base that the training made itself, in the folder of the card."""


class EdittoCard(BaseModel):
    """CKPT/editto.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: WeightsConfig
    """What was trained from; a folder that is not absolute lies beside the card."""
    kind: Literal["linear", "branch", "lora"]
    """What was trained of it."""
    steps: int = Field(ge=0)
    """Of the optimizer, behind these weights."""
    is_average: bool
    """Whether the weights are the moving average."""
    buckets: tuple[Bucket, ...]
    """The sizes that it was trained at."""
    key_frame_at_end: float
    """Probability of being given the key frame at the last step; 0 of an editor that needs the instruction alone."""
    snapshot_hash: str
    """Of the data."""
    num_pairs: int
    recipe_hash: str
    created_at: str


def read_card(folder: Path) -> EdittoCard:
    """The card in a folder, its base's folder made absolute.

    Raises:
        WeightsError: there is none, or it is not one.
    """
    path = folder / CARD
    if not path.is_file():
        raise WeightsError(f"{str(folder)!r} {_without_card(folder)}")
    try:
        card = EdittoCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise WeightsError(f"{str(path)!r} is no card of an Editto: {first_problem(error)}") from error
    beside = folder / card.base.repo
    if card.base.repo == BASE and beside.is_dir():
        return card.model_copy(update={"base": card.base.model_copy(update={"repo": str(beside.resolve())})})
    return card


def _without_card(folder: Path) -> str:
    if not folder.exists():
        return f"is not there; expected the --out of ditto_models.train, with its {CARD}"
    if any(folder.glob("checkpoints/step-*")):
        return f"has no {CARD} yet: its training has steps to make; give ditto_models.train the same command again"
    return f"has no {CARD}; expected the --out of ditto_models.train"
