"""The same small calls of a tiny Wan-VACE, so that what is done to it can be compared."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from ditto_models.gpu.placement import PlacementConfig


def loaded_vace(folder: Path) -> Any:
    """The pipeline of a folder of tiny_wan, as it comes."""
    from diffusers import WanVACEPipeline

    pipeline = WanVACEPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def copied(pipeline: Any) -> Any:
    """One that may be changed."""
    return type(pipeline)(**{name: copy.deepcopy(part) for name, part in pipeline.components.items()})


def forward(transformer: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made: torch.Tensor = transformer(
            hidden_states=torch.randn(1, 16, 3, 8, 8, generator=generator),
            timestep=torch.tensor([500]),
            encoder_hidden_states=torch.randn(1, 12, 32, generator=generator),
            control_hidden_states=torch.randn(1, 96, 3, 8, 8, generator=generator),
        ).sample
    return made


def video(pipeline: Any) -> torch.Tensor:
    made: torch.Tensor = pipeline(
        prompt_embeds=torch.randn(1, 12, 32, generator=torch.Generator().manual_seed(2)),
        height=64,
        width=64,
        num_frames=5,
        num_inference_steps=1,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
    ).frames
    return made


def placement(**fields: Any) -> PlacementConfig:
    return PlacementConfig(**{"device": "cpu", "dtype": "float32", **fields})


def error_of(made: torch.Tensor, full: torch.Tensor) -> float:
    """Relative: norm of the difference over norm of the full one."""
    return float((made - full).norm() / full.norm())
