"""One step's network call of each network, with random inputs of the real shapes, on any device: meta counts them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.gpu_shapes import PROMPT_TOKENS, WORDS, Size

if TYPE_CHECKING:
    import torch

HALFWAY = 500.0
"""Timestep."""


def vace_forward(transformer: Any, size: Size, device: torch.device) -> Any:
    """With one reference image, as the route "structure" makes it."""
    import torch

    of = {"device": device, "dtype": transformer.dtype}
    shape = size.latent(references=1)
    return transformer(
        hidden_states=torch.randn(1, 16, *shape, **of),
        control_hidden_states=torch.randn(1, transformer.config.vace_in_channels, *shape, **of),
        timestep=torch.full((1,), HALFWAY, device=device),
        encoder_hidden_states=torch.randn(1, PROMPT_TOKENS, transformer.config.text_dim, **of),
    )


def enhancer_forward(transformer: Any, size: Size, device: torch.device) -> Any:
    """Of the low-noise expert."""
    import torch

    of = {"device": device, "dtype": transformer.dtype}
    return transformer(
        hidden_states=torch.randn(1, 16, *size.latent(), **of),
        timestep=torch.full((1,), HALFWAY, device=device),
        encoder_hidden_states=torch.randn(1, PROMPT_TOKENS, transformer.config.text_dim, **of),
    )


def edit_forward(transformer: Any, grid: int, device: torch.device) -> Any:
    """Of Qwen-Image-Edit-Plus: the picture beside the one that is made, and a prompt that has seen the picture."""
    import torch

    of = {"device": device, "dtype": transformer.dtype}
    return transformer(
        hidden_states=torch.randn(1, 2 * grid * grid, transformer.config.in_channels, **of),
        encoder_hidden_states=torch.randn(1, 2 * WORDS, transformer.config.joint_attention_dim, **of),
        encoder_hidden_states_mask=torch.ones(1, 2 * WORDS, dtype=torch.bool, device=device),
        timestep=torch.full((1,), HALFWAY / 1000, **of),
        img_shapes=[[(1, grid, grid)] * 2],
    )


def edit21_forwards(transformer: Any, grid: int, device: torch.device) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Of Qwen-Image 2.1: the first step, which fills the cache of text and picture, and each later one."""
    import torch
    from diffusers.models.transformers.transformer_qwenimage21 import QwenImage21KVCache

    of = {"device": device, "dtype": transformer.dtype}
    slots = grid * grid // 4
    step = partial(
        transformer,
        hidden_states=torch.randn(1, 2 * grid * grid, transformer.config.in_channels, **of),
        encoder_hidden_states=torch.randn(1, WORDS + slots, transformer.config.context_in_dim, **of),
        timestep=torch.full((1,), HALFWAY / 1000, **of),
        img_shapes=[[(1, grid, grid)] * 2],
        img_mask=torch.arange(WORDS + 2 * slots, device=device)[None] >= WORDS,
        kv_cache=QwenImage21KVCache(len(transformer.transformer_blocks)),
    )
    return partial(step, kv_cache_mode="extract"), partial(step, kv_cache_mode="cached")
