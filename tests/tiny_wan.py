"""Tiny Wan checkpoints with random weights, in the layout of the real repositories: they load as real ones do.

VACE with one expert (Wan2.1-VACE), VACE with two (Wan2.2-VACE-Fun), and text to video with two (Wan2.2-T2V-A14B).
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ditto_models.torchvision_cpu import declare_operators

BOUNDARY_RATIO = 0.875
TEXT_DIMENSIONS = 32
TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "text_dim": TEXT_DIMENSIONS,
    "freq_dim": 64,
    "ffn_dim": 96,
    "rope_max_seq_len": 64,
}
VACE = {**TRANSFORMER, "num_layers": 4, "vace_layers": [0, 2], "vace_in_channels": 96}


def tiny_vace(folder: Path) -> Path:
    """One expert."""
    declare_operators()
    from diffusers import FlowMatchEulerDiscreteScheduler, WanVACEPipeline, WanVACETransformer3DModel

    torch.manual_seed(0)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    WanVACEPipeline(
        **_shared_parts(), scheduler=scheduler, transformer=WanVACETransformer3DModel(**VACE)
    ).save_pretrained(folder)
    return folder


def tiny_vace_of_two(folder: Path, boundary_ratio: float | None = BOUNDARY_RATIO) -> Path:
    """Two experts, for high and for low noise."""
    declare_operators()
    from diffusers import WanVACEPipeline, WanVACETransformer3DModel

    torch.manual_seed(1)
    WanVACEPipeline(
        **_shared_parts(),
        scheduler=_unipc(),
        transformer=WanVACETransformer3DModel(**VACE),
        transformer_2=WanVACETransformer3DModel(**VACE),
        boundary_ratio=boundary_ratio,
    ).save_pretrained(folder)
    return folder


def tiny_wan22(folder: Path) -> Path:
    """Text to video, two experts."""
    declare_operators()
    from diffusers import WanPipeline, WanTransformer3DModel

    torch.manual_seed(2)
    WanPipeline(
        **_shared_parts(),
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


def _shared_parts() -> dict[str, Any]:
    return {"tokenizer": _tokenizer(), "text_encoder": _text_encoder(), "vae": _vae()}


def _tokenizer() -> Any:
    """Made in memory: single letters, no file of pieces."""
    from transformers import T5Tokenizer

    letters = [(letter, -5.0) for letter in string.ascii_letters + string.digits + string.punctuation]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=512)


def _text_encoder() -> Any:
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(
        vocab_size=300,
        d_model=TEXT_DIMENSIONS,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    return UMT5EncoderModel(config)


def _vae() -> Any:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def _unipc() -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0)
