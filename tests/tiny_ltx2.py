"""A tiny random LTX-2 checkpoint: VAEs of video and audio, text connectors, a vocoder, a Gemma 3, the transformer."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from ditto_models.torchvision_cpu import declare_operators

LATENTS = 8
TEXT_WIDTH = 16
TEXT_LAYERS = 2
WIDTH = 32
"""Of the transformer, both of video and of audio: 2 heads of 16."""


def tiny_ltx2(folder: Path, kind: str = "LTX2Pipeline") -> Path:
    """The folder, with a checkpoint in the layout of Lightricks/LTX-2 in it; always the same."""
    declare_operators()
    import diffusers
    import torch

    torch.manual_seed(11)
    video = diffusers.AutoencoderKLLTX2Video(
        latent_channels=LATENTS,
        block_out_channels=(4, 4, 8, 8),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    audio = diffusers.AutoencoderKLLTX2Audio(
        base_channels=4, ch_mult=(1, 1, 1), num_res_blocks=1, latent_channels=2, mel_bins=8, resolution=8
    )
    pipeline = getattr(diffusers, kind)(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.95,
            max_shift=2.05,
            base_image_seq_len=1024,
            max_image_seq_len=4096,
            shift_terminal=0.1,
        ),
        vae=video,
        audio_vae=audio,
        text_encoder=gemma(),
        tokenizer=gemma_tokenizer(),
        connectors=connectors(),
        transformer=transformer(),
        vocoder=vocoder(),
    )
    pipeline.save_pretrained(folder)
    return folder


def gemma_tokenizer() -> Any:
    """Letters as words."""
    from transformers import GemmaTokenizer

    marks = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁"]
    letters = string.ascii_letters + string.digits + string.punctuation
    return GemmaTokenizer(
        vocab={word: number for number, word in enumerate([*marks, *letters])}, merges=[], model_max_length=1024
    )


def gemma() -> Any:
    """A Gemma 3 whose every layer the connectors read."""
    import transformers

    text = {
        "vocab_size": 128,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    return transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config=text,
            vision_config=vision,
            mm_tokens_per_image=4,
            image_token_index=120,
            boi_token_index=121,
            eoi_token_index=122,
        )
    )


def connectors() -> Any:
    """From the encoder's layers to what the transformer reads, for video and for audio."""
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    return LTX2TextConnectors(
        caption_channels=TEXT_WIDTH,
        text_proj_in_factor=TEXT_LAYERS + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=8,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=8,
    )


def transformer() -> Any:
    """Two blocks over video and audio."""
    import diffusers

    return diffusers.LTX2VideoTransformer3DModel(
        in_channels=LATENTS,
        out_channels=LATENTS,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=WIDTH,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=16,
        audio_cross_attention_dim=WIDTH,
        caption_channels=TEXT_WIDTH,
    )


def vocoder() -> Any:
    """Mel bands to sound."""
    from diffusers.pipelines.ltx2 import LTX2Vocoder

    return LTX2Vocoder(
        in_channels=16,
        hidden_channels=8,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
    )
