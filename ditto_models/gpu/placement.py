"""How a network is put on its device: precision, quantization, attention, compilation, offloading, tiling.

The ladder goes from what costs least to what saves most, each step on top of the one before: the VAE in tiles; whole
models on the GPU only while they work; blocks of the transformer streamed to it, each fetched while the one before
computes; at last single layers. Weights cross the bus once a call for whole models and once a step for blocks: for
Wan-VACE 14B, 35 GB at about 25 GB/s, 1.4 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.gpu.attention import Attention, with_attention
from ditto_models.gpu.memory import descent_of_load, empty_cache
from ditto_models.gpu.offload import Offload, offloaded, released
from ditto_models.gpu.quantize import Quantization, quantized

if TYPE_CHECKING:
    import torch

Dtype = Literal["bfloat16", "float16", "float32"]
Step = Literal["vae_tiling", "model", "group", "sequential"]

_OFFLOADS: tuple[Literal["model", "group", "sequential"], ...] = ("model", "group", "sequential")
_SAID: dict[Step, str] = {
    "vae_tiling": "encodes and decodes in tiles from now on",
    "model": "keeps on the GPU only the model at work from now on",
    "group": "streams blocks to the GPU from now on",
    "sequential": "streams single layers to the GPU from now on",
}
DENOISERS = ("transformer", "transformer_2")


class DeviceConfig(BaseModel):
    """Where a network runs, and in which precision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = "auto"
    """For example cuda or cpu; auto takes a GPU where there is one."""
    dtype: Dtype = "bfloat16"
    """Of the transformer and text encoder; VAEs of video stay in float32."""


class PlacementConfig(DeviceConfig):
    """Where and how a diffusers pipeline runs."""

    quantization: Quantization = "none"
    """Of the transformers' blocks; see gpu/quantize.py. The dynamic ones are quick only when compiled."""
    attention: Attention = "native"
    """Kernel of the transformers; one that does not run here is refused at load."""
    compile: Literal["off", "regional"] = "off"
    """regional compiles each kind of repeated block once: the first call of each size takes minutes longer."""
    offload: Offload = "none"
    """Where the ladder starts: none, model, group or sequential."""
    vae_tiling: bool = False
    """Encode and decode in tiles from the start; where they meet, a video may differ by a little."""
    memory_gb: float | None = Field(default=None, gt=0)
    """Of the GPU, what this PROCESS may take at most (1e9 bytes); what is over it counts as out of memory."""


def device_of(config: DeviceConfig) -> torch.device:
    """The device that a network runs on.

    Raises:
        ValueError: it names a GPU that this process does not have.
    """
    import torch

    seen = torch.cuda.device_count()
    if config.device == "auto":
        return torch.device("cuda" if seen else "cpu")
    device = torch.device(config.device)
    if device.type == "cuda" and (device.index or 0) >= seen:
        # CUDA's own error for it would be taken for a broken GPU.
        raise ValueError(
            f"placement.device is {config.device!r}, yet this process sees {seen} GPUs (a worker sees its own alone, "
            "as 'cuda:0'); expected 'auto', and say in networks.devices which GPUs there are"
        )
    return device


def dtype_of(config: DeviceConfig) -> torch.dtype:
    """The precision that it runs in."""
    import torch

    dtype: torch.dtype = getattr(torch, config.dtype)
    return dtype


def placed(pipeline: Any, config: PlacementConfig) -> Any:
    """A diffusers pipeline, fresh from its weights and LoRAs, in its place and ready to be called.

    Raises:
        CannotQuantize, NoSuchAttention: this device does not do what the config asks for.
    """
    device, dtype = device_of(config), dtype_of(config)
    descent = descent_of_load()
    steps = ladder(config, device, pipeline)
    left = steps[descent.steps :]
    # Tiles make no room for weights, which would only be read once more for it.
    descent.next_size = 2 if left[:1] == ("vae_tiling",) and left[1:] else 1
    descent.next_step = _said_of(left[descent.next_size - 1 :])
    _limit_memory(config, device)
    offload = _offload_after(steps[: descent.steps], config)
    for name in DENOISERS:
        transformer = getattr(pipeline, name, None)
        if transformer is None:
            continue
        quantized(transformer, config.quantization, device, dtype)
        with_attention(transformer, config.attention, device, dtype)
        if config.compile == "regional":
            transformer.compile_repeated_blocks()
        if offload != "none":
            transformer.to("cpu")
    if config.vae_tiling or "vae_tiling" in steps[: descent.steps]:
        _tile(pipeline)
    offloaded(pipeline, offload, device)
    pipeline.ditto_steps = descent.steps
    return pipeline


def ease(pipeline: Any, config: PlacementConfig) -> str:
    """Go one step down the ladder; says what was done, or nothing where there is no step left."""
    steps = ladder(config, device_of(config), pipeline)
    taken = getattr(pipeline, "ditto_steps", 0)
    if taken >= len(steps):
        return ""
    step = steps[taken]
    if step == "vae_tiling":
        _tile(pipeline)
    else:
        released(pipeline)
        offloaded(pipeline, step, device_of(config))
        empty_cache()
    pipeline.ditto_steps = taken + 1
    return _said_of(steps[taken:])


def ladder(config: PlacementConfig, device: torch.device, pipeline: Any) -> tuple[Step, ...]:
    """The steps that are left from where the config starts; beside a CPU's memory there is none to offload to."""
    can_tile = hasattr(getattr(pipeline, "vae", None), "enable_tiling")
    tiling: tuple[Step, ...] = ("vae_tiling",) if can_tile and not config.vae_tiling else ()
    if device.type == "cpu":
        return tiling
    done = _OFFLOADS.index(config.offload) + 1 if config.offload != "none" else 0
    return *tiling, *_OFFLOADS[done:]


def _offload_after(steps: tuple[Step, ...], config: PlacementConfig) -> Offload:
    offloads = [step for step in steps if step != "vae_tiling"]
    return offloads[-1] if offloads else config.offload


def _said_of(steps: tuple[Step, ...]) -> str:
    return _SAID[steps[0]] if steps else ""


def _tile(pipeline: Any) -> None:
    pipeline.vae.enable_tiling()


def _limit_memory(config: PlacementConfig, device: torch.device) -> None:
    import torch

    if config.memory_gb is not None and device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, config.memory_gb * 1e9 / total), device)
