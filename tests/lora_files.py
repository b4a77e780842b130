"""LoRA files of a few weights, in each of the namings that are out there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

RANK = 4
WEIGHTS = {
    "blocks.0.attn1.to_q": "blocks.0.self_attn.q",
    "blocks.1.attn2.to_k": "blocks.1.cross_attn.k",
    "blocks.2.attn2.to_out.0": "blocks.2.cross_attn.o",
    "blocks.3.ffn.net.0.proj": "blocks.3.ffn.0",
    "vace_blocks.1.ffn.net.2": "vace_blocks.1.ffn.2",
}
"""What the files change: diffusers' name, and Wan's own."""

Factors = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""down and up of each weight, by diffusers' name."""
Keys = dict[str, torch.Tensor]


def factors(transformer: Any, seed: int = 5, size: float = 0.2) -> Factors:
    """Random ones that fit."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name in WEIGHTS:
        out, into = transformer.get_submodule(name).weight.shape
        made[name] = (
            torch.randn(RANK, into, generator=generator) * size,
            torch.randn(out, RANK, generator=generator) * size,
        )
    return made


def _named(of: Factors, pattern: str, own: bool, flat: bool = False, adapter: str = "", alpha: bool = False) -> Keys:
    down_name, up_name = ("lora_A", "lora_B") if pattern.endswith("AB") else ("lora_down", "lora_up")
    prefix = pattern.removesuffix("AB")
    keys = {}
    for name, (down, up) in of.items():
        module = WEIGHTS[name] if own else name
        module = module.replace(".", "_") if flat else module
        # A file with its own alpha holds smaller factors times a larger scale.
        keys[f"{prefix}{module}.{down_name}{adapter}.weight"] = down / 2 if alpha else down
        keys[f"{prefix}{module}.{up_name}{adapter}.weight"] = up
        if alpha:
            keys[f"{prefix}{module}.alpha"] = torch.tensor(2.0 * RANK)
    return keys


NAMINGS: dict[str, Callable[[Factors], Keys]] = {
    "diffusers": lambda of: _named(of, "transformer.AB", own=False),
    "peft": lambda of: _named(of, "base_model.model.AB", own=False, adapter=".default"),
    "lightx2v": lambda of: _named(of, "diffusion_model.", own=True, alpha=True),
    "lightx2v A and B": lambda of: _named(of, "diffusion_model.AB", own=True),
    "bare": lambda of: _named(of, "", own=True),
    "DiffSynth": lambda of: _named(of, "AB", own=True, adapter=".default"),
    "kohya": lambda of: _named(of, "lora_unet_", own=True, flat=True, alpha=True),
}


def saved(folder: Path, keys: Keys, name: str = "lora.safetensors", header: dict[str, str] | None = None) -> Path:
    """The file's folder."""
    from safetensors.torch import save_file

    save_file({key: tensor.clone().contiguous() for key, tensor in keys.items()}, folder / name, metadata=header)
    return folder
