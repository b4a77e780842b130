"""Wan-VACE checkpoints with random weights, in the layout of the real repositories: they load as real ones do."""

from __future__ import annotations

import shutil
import string
from pathlib import Path
from typing import Any, Literal

from ditto_models.gpu.checkpoint import PIPELINE
from ditto_models.gpu.quiet import hide_progress_bars
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.whole_file import unfinished

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
"""A tiny one's, with or without a context branch."""
TINY: dict[str, Any] = {**TRANSFORMER, "num_layers": 4, "vace_layers": [0, 2], "vace_in_channels": 96}
SMALL: dict[str, Any] = {
    **TINY,
    "num_attention_heads": 4,
    "attention_head_dim": 32,
    "ffn_dim": 512,
    "num_layers": 6,
    "vace_layers": [0, 2, 4],
}


def save_random_base(folder: Path, size: Literal["tiny", "small"], seed: int = 0) -> Path:
    """Write one to a folder, unless one is there already; returns the folder.

    Raises:
        OSError: something else is in its place, or it cannot be written.
    """
    if (folder / PIPELINE).is_file():
        return folder
    declare_operators()
    hide_progress_bars()
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, WanVACEPipeline, WanVACETransformer3DModel
    from safetensors import SafetensorError

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = WanVACEPipeline(
            **shared_parts(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
            transformer=WanVACETransformer3DModel(**(TINY if size == "tiny" else SMALL)),
        )
    made = unfinished(folder)
    try:
        pipeline.save_pretrained(made)
        mode = (made / PIPELINE).stat().st_mode
        for weights in made.rglob("*.safetensors"):
            weights.chmod(mode)  # the library lets nobody else read what it writes
        made.rename(folder)
    except OSError:
        if not (folder / PIPELINE).is_file():  # else another process was first
            raise
    except SafetensorError as error:
        raise OSError(f"{str(folder)!r} could not be written: {error}; make room and run the same command") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def shared_parts() -> dict[str, Any]:
    """Tokenizer, text encoder and VAE of a Wan pipeline, by their place in it."""
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
