"""Tiny Wan checkpoints with random weights, in the layout of the real repositories: they load as real ones do.

VACE with one expert (Wan2.1-VACE), VACE with two (Wan2.2-VACE-Fun), and text to video with two (Wan2.2-T2V-A14B).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.random_base import TINY, TRANSFORMER, save_random_base, shared_parts

BOUNDARY_RATIO = 0.875


def tiny_vace(folder: Path) -> Path:
    """One expert."""
    return save_random_base(folder, "tiny")


def tiny_vace_of_two(folder: Path, boundary_ratio: float | None = BOUNDARY_RATIO) -> Path:
    """Two experts, for high and for low noise."""
    declare_operators()
    from diffusers import WanVACEPipeline, WanVACETransformer3DModel

    torch.manual_seed(1)
    WanVACEPipeline(
        **shared_parts(),
        scheduler=_unipc(),
        transformer=WanVACETransformer3DModel(**TINY),
        transformer_2=WanVACETransformer3DModel(**TINY),
        boundary_ratio=boundary_ratio,
    ).save_pretrained(folder)
    return folder


def tiny_wan22(folder: Path) -> Path:
    """Text to video, two experts."""
    declare_operators()
    from diffusers import WanPipeline, WanTransformer3DModel

    torch.manual_seed(2)
    WanPipeline(
        **shared_parts(),
        scheduler=_unipc(),
        transformer=WanTransformer3DModel(num_layers=2, **TRANSFORMER),
        transformer_2=WanTransformer3DModel(num_layers=2, **TRANSFORMER),
        boundary_ratio=BOUNDARY_RATIO,
    ).save_pretrained(folder)
    return folder


@contextmanager
def watched(module: Any) -> Iterator[list[float]]:
    """The timesteps at which a transformer runs, or a 0 for each call of another network."""
    seen: list[float] = []

    def see(_: Any, __: Any, arguments: dict[str, Any]) -> None:
        seen.append(float(arguments["timestep"][0]) if "timestep" in arguments else 0.0)

    handle = module.register_forward_pre_hook(see, with_kwargs=True)
    yield seen
    handle.remove()


def _unipc() -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0)
