"""A tiny Editto as ditto_models.train leaves it: a card, a base with random weights, and a change of some of them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.editto_card import BASE, CARD, WEIGHTS, EdittoCard
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.random_base import save_random_base

BUCKET = Bucket(frames=9, height=64, width=64)


def tiny_editto(folder: Path, change: float = 0.5, buckets: tuple[Bucket, ...] = (BUCKET,)) -> Path:
    """Written to a folder; `change` is how far the weights are from the base's, 0 for not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    declare_operators()
    from diffusers import WanVACETransformer3DModel

    base = save_random_base(folder / BASE, "tiny")
    transformer = WanVACETransformer3DModel.from_pretrained(base, subfolder="transformer")
    generator = torch.Generator().manual_seed(0)
    trained = {
        name: (each + change * torch.randn(each.shape, generator=generator)).detach().contiguous()
        for name, each in transformer.named_parameters()
        if name.startswith("vace_blocks.") and ".attn1." in name and name.endswith(".weight") and each.ndim == 2
    }
    assert trained
    save_file(trained, folder / WEIGHTS)
    card = EdittoCard(
        base=WeightsConfig(repo=BASE),
        kind="linear",
        steps=1,
        is_average=False,
        buckets=buckets,
        key_frame_at_end=0.0,
        snapshot_hash="0" * 16,
        num_pairs=1,
        recipe_hash="0" * 16,
        created_at="2026-01-01T00:00:00+00:00",
    )
    (folder / CARD).write_text(card.model_dump_json(indent=1))
    return folder
