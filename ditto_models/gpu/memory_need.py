"""How much GPU memory a network would take: an estimate from its weights and the clip's size, not a measurement.

    need = largest of what works at one time = weights that stay on the GPU + weights that visit it + activations

Weights: parameters times bytes of the type. Quantized denoisers: 98 % of them in one byte each (gpu/quantize.py). VAEs
of video are kept in float32. Text encoders visit (gpu/offload.py) while nothing else works.

Activations of a video transformer: tokens * width * 2 bytes * COPIES. One token of Wan is 4 frames of 16x16 pixels (the
first frame has its own). Copies: the residual stream, queries, keys, values, the inner layer of the feed-forward (2.7
times as wide), their float32 copies for norms, and the hints that VACE adds at every fifth block. Activations of the
VAE: four frames at full size in VAE_CHANNELS float32 channels, VAE_COPIES times; a quarter of it in tiles.

Pictures are edited at one megapixel, whatever the clip's size. bench/gpu.py measures what this guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

COPIES = 24
WIDTH = 5120
"""Of the 14B transformers; smaller ones are narrower in proportion to the square root of their parameters."""
WIDTH_AT = 14.3e9
VAE_CHANNELS, VAE_COPIES, TILED = 96, 6, 0.25
PICTURE_TOKENS = 2 * 4096
"""The picture that is edited and the one that is made, 16x16 pixels a token."""
FRAMES_BYTES = int(1.5e9)
"""Of networks that look at a few frames at a time, beside their weights."""
OVERHEAD_BYTES = int(1e9)
"""CUDA's own context, libraries' workspaces, fragments."""
QUANTIZED_SHARE = 0.98
BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
ON_TWO = 2 / 40
"""Blocks of a streamed transformer that are on the GPU at a time: one at work, one on its way."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Size of the clips that a profile cuts."""

    frames: int
    height: int
    width: int
    frames_step: int = 4
    side_step: int = 16
    """Frames and pixels a side that one token stands for."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes."""

    gpu: int
    """At the peak."""
    resident: int
    """Weights that stay on the GPU between calls."""
    ram: int
    """Weights in the machine's memory while they are read, and while they are kept there."""


def need_of(
    parameters: Mapping[str, int],
    makes: str,
    clip: Clip,
    dtype: str = "bfloat16",
    quantization: str = "none",
    offload: str = "none",
    vae_tiling: bool = False,
) -> Need:
    """The memory of one network.

    Args:
        parameters: by part: transformer, transformer_2, text_encoder, vae, or "" for a network of one part
        makes: video, picture or frames
        clip: what it works on
        dtype: of transformer and text encoder
        quantization: of the transformers
        offload: none, model, group or sequential
        vae_tiling: whether the VAE works in tiles
    """
    kinds = {part: kind_of(part) for part in parameters}
    sizes = {part: _bytes(count, kinds[part], makes, dtype, quantization) for part, count in parameters.items()}
    denoisers = [size for part, size in sizes.items() if kinds[part] == "denoiser"]
    encoders = [size for part, size in sizes.items() if kinds[part] == "text encoder"]
    rest = sum(size for part, size in sizes.items() if kinds[part] == "other")
    width_of = max((count for part, count in parameters.items() if kinds[part] == "denoiser"), default=0)
    thinking = _activations(makes, clip, width_of, BYTES.get(dtype, 2))
    drawing = _vae_activations(makes, clip, vae_tiling) if denoisers else 0
    staying, moving = _placed(denoisers, rest, offload)
    peak = staying + max(moving + thinking, drawing, max(encoders, default=0))
    plain = sum(_bytes(count, kinds[part], makes, dtype, "none") for part, count in parameters.items())
    return Need(gpu=peak + OVERHEAD_BYTES, resident=staying, ram=plain)


def kind_of(part: str) -> Literal["denoiser", "text encoder", "other"]:
    """What a part of a pipeline is, by its folder's name."""
    if part.startswith("transformer"):
        return "denoiser"
    return "text encoder" if part.startswith("text_encoder") else "other"


def _bytes(count: int, kind: str, makes: str, dtype: str, quantization: str) -> int:
    size = BYTES.get(dtype, 2)
    if kind == "denoiser" and quantization != "none":
        return int(count * (QUANTIZED_SHARE + (1 - QUANTIZED_SHARE) * size))
    return count * (4 if kind == "other" and makes == "video" else size)


def _placed(denoisers: list[int], rest: int, offload: str) -> tuple[int, int]:
    """Weights that stay on the GPU, and those that are on it only while denoising."""
    if offload == "model":
        return 0, max([*denoisers, rest])
    if offload == "group":
        return rest, int(ON_TWO * max(denoisers, default=0))
    if offload == "sequential":
        return rest, int(ON_TWO / 4 * max(denoisers, default=0))
    return rest + sum(denoisers), 0


def _activations(makes: str, clip: Clip, parameters: int, size: int) -> int:
    if not parameters:
        return FRAMES_BYTES
    width = WIDTH * min(1.0, (parameters / WIDTH_AT) ** 0.5)
    tokens = PICTURE_TOKENS
    if makes == "video":
        pictures = (clip.frames - 1) // clip.frames_step + 1
        tokens = pictures * -(-clip.height // clip.side_step) * -(-clip.width // clip.side_step)
    return int(tokens * width * size * COPIES)


def _vae_activations(makes: str, clip: Clip, tiled: bool) -> int:
    pixels = clip.height * clip.width * 4 if makes == "video" else 1024 * 1024
    drawn = pixels * VAE_CHANNELS * 4 * VAE_COPIES * (TILED if tiled else 1)
    video = 3 * 4 * clip.frames * clip.height * clip.width if makes == "video" else 0
    return int(drawn) + video
