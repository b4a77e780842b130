"""What a training leaves: the change to its base as editto.safetensors, and the card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ditto_models.command import CommandFailed
from ditto_models.gpu.editto_card import CARD, WEIGHTS, EdittoCard
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.recipe import Recipe
from ditto_models.train.trainable import ADAPTER, Branch, Linear, Lora
from ditto_models.train.whole_file import save_tensors, write_whole

if TYPE_CHECKING:
    import torch


def save_result(folder: Path, card: EdittoCard, weights: Mapping[str, torch.Tensor]) -> None:
    """Both files, each whole or not at all; the card last, since it says that there is a result.

    Raises:
        CommandFailed: the disk is full.
    """
    try:
        save_tensors(folder / WEIGHTS, {name: each.contiguous() for name, each in weights.items()}, {"format": "pt"})
        write_whole(folder / CARD, [card.model_dump_json(indent=2).encode(), b"\n"])
    except OSError as error:
        raise CommandFailed(
            f"the result could not be saved in {str(folder)!r}: {error}; make room and run the same command again"
        ) from error


def exported(trains: Linear | Branch | Lora, trained: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What trained, by the names that diffusers reads: whole weights as the transformer has them, a LoRA's factors as
    WanVACEPipeline.load_lora_weights takes them.

    A LoRA's scale is multiplied into its second factor: readers that know no alpha take it as 1.
    """
    if not isinstance(trains, Lora):
        return dict(trained)
    scale = trains.alpha / trains.rank
    return {
        f"transformer.{name.replace(f'.{ADAPTER}.', '.')}": tensor * scale if ".lora_B." in name else tensor
        for name, tensor in trained.items()
    }


def card_of(recipe: Recipe, base: WeightsConfig, snapshot_hash: str, num_pairs: int) -> EdittoCard:
    """The card of a training that made all its steps."""
    return EdittoCard(
        # A recipe's base has more fields, and a card none but these.
        base=WeightsConfig(**base.model_dump(include=set(WeightsConfig.model_fields))),
        kind=recipe.trains.kind,
        steps=recipe.steps,
        is_average=recipe.ema is not None,
        buckets=recipe.data.buckets,
        key_frame_at_end=recipe.curriculum.key_frame.at(recipe.steps - 1),
        snapshot_hash=snapshot_hash,
        num_pairs=num_pairs,
        recipe_hash=recipe.hash,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
