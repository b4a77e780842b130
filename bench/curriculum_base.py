"""The frozen base of the test of the curriculum: a small Wan, trained as a plain generator of procedural clips from
captions, and a Wan-VACE made of it.

VACE (Jiang et al. 2025, arXiv 2503.07598) adds to a trained Wan context blocks that begin as copies of the blocks they
stand beside, with projections of zero on their way in and out (`VaceWanAttentionBlock` of Wan2.1's vace_model.py), so
that at first they change nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.curriculum_clips import FRAMES, Scene, pair, render
from bench.curriculum_codec import GROUP, LinearCodec
from ditto_models.gpu.sigmas import NUM_TRAIN_TIMESTEPS
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.flow_matching import NoiseConfig, draw

if TYPE_CHECKING:
    import torch

TEXT_DIMENSIONS, TOKENS = 64, 10
SHAPE: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 4,
    "attention_head_dim": 32,
    "text_dim": TEXT_DIMENSIONS,
    "freq_dim": 64,
    "ffn_dim": 384,
    "num_layers": 4,
    "rope_max_seq_len": 64,
}
CONTEXT: dict[str, Any] = {"vace_layers": [0, 2], "vace_in_channels": 96}
BATCH, LEARNING_RATE, WARMUP_STEPS = 16, 1e-3, 100
CLIP_SEED = 1_000_000
"""Of the clips that the base learns from; no pair has it."""


def embedded(text: str) -> torch.Tensor:
    """Words as fixed random vectors, LD, in place of a text encoder: no order, no meaning, zeros after the last."""
    import torch

    words = text.split()
    if len(words) > TOKENS:
        raise ValueError(f"text {text!r} has {len(words)} words; expected at most {TOKENS}")
    rows = [np.random.default_rng(_seed(word)).standard_normal(TEXT_DIMENSIONS) for word in words]
    rows += [np.zeros(TEXT_DIMENSIONS)] * (TOKENS - len(words))
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def trained_base(
    folder: Path, codec: LinearCodec, noise: NoiseConfig, steps: int, num_clips: int, say: Callable[[str], None]
) -> Path:
    """Train it, unless it is there already; a folder of WanTransformer3DModel."""
    if (folder / "config.json").is_file():
        return folder
    declare_operators()
    import torch
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    network = WanTransformer3DModel(**SHAPE)
    # Clips of one latent frame more too: with a key frame in front, that is how long a sample is.
    pools = [_clips(CLIP_SEED + extra, num_clips, FRAMES + GROUP * extra, codec) for extra in (0, 1)]
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    rng, lately = np.random.default_rng(0), list[float]()
    for step in range(steps):
        pool = pools[step % len(pools)]
        chosen = [pool[at] for at in rng.integers(len(pool), size=BATCH)]
        loss = _plain_loss(network, chosen, noise, step)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, steps)
        optimizer.step()
        optimizer.zero_grad()
        lately.append(float(loss.detach()))
        if (step + 1) % 100 == 0 or step + 1 == steps:
            say(f"base: step {step + 1} of {steps}, loss {np.mean(lately[-100:]):.4f}")
    network.save_pretrained(folder)
    return folder


def vace_of(folder: Path, seed: int) -> Any:
    """A WanVACETransformer3DModel that makes what the base makes; `seed` draws what embeds the context's patches."""
    declare_operators()
    import torch
    from diffusers import WanTransformer3DModel, WanVACETransformer3DModel

    base = WanTransformer3DModel.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = WanVACETransformer3DModel(**SHAPE, **CONTEXT)
    missing, unexpected = made.load_state_dict(base.state_dict(), strict=False)
    if unexpected or not all(name.startswith("vace_") for name in missing):
        raise ValueError(f"the base {str(folder)!r} does not fit a Wan-VACE; expected the one of this bench")
    for block, layer in zip(made.vace_blocks, CONTEXT["vace_layers"], strict=True):
        absent, _ = block.load_state_dict(base.blocks[layer].state_dict(), strict=False)
        if not all(name.startswith("proj_") for name in absent):
            raise ValueError(f"block {layer} of the base lacks {absent}")
        for projection in (block.proj_in, block.proj_out):
            if projection is not None:
                torch.nn.init.zeros_(projection.weight)
                torch.nn.init.zeros_(projection.bias)
    return made


def _clips(seed: int, count: int, frames: int, codec: LinearCodec) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Latents and captions of scenes, half of them edited ones."""
    import torch

    rng = np.random.default_rng(seed)
    scenes: Sequence[Scene] = [
        getattr(pair(rng), which) for _ in range(math.ceil(count / 2)) for which in ("source", "edited")
    ]
    return [(torch.from_numpy(codec.encode(render(shown, frames))), embedded(shown.caption)) for shown in scenes]


def _plain_loss(
    network: Any, chosen: Sequence[tuple[torch.Tensor, torch.Tensor]], config: NoiseConfig, step: int
) -> torch.Tensor:
    import torch

    clean = torch.stack([latents for latents, _ in chosen])
    draws = [draw(config, 0, step, place, latents) for place, (latents, _) in enumerate(chosen)]
    noise = torch.stack([each.noise_CTHW[:, 1:] for each in draws])
    sigma = torch.tensor([each.sigma for each in draws])
    level = sigma.view(-1, 1, 1, 1, 1)
    velocity = network(
        hidden_states=(1 - level) * clean + level * noise,
        timestep=sigma * NUM_TRAIN_TIMESTEPS,
        encoder_hidden_states=torch.stack([text for _, text in chosen]),
        return_dict=False,
    )[0]
    return torch.nn.functional.mse_loss(velocity, noise - clean)


def _learning_rate(step: int, steps: int) -> float:
    rising = min(1.0, (step + 1) / WARMUP_STEPS)
    return LEARNING_RATE * rising * (1 + math.cos(math.pi * step / steps)) / 2


def _seed(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
