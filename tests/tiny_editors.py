"""Tiny random checkpoints of the key-frame editors, written as diffusers folders and loaded like the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ditto_models.torchvision_cpu import declare_operators

MARKS = ("endoftext", "im_start", "im_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")
SPECIALS = [f"<|{mark}|>" for mark in MARKS]
CHAT = """{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endif %}
<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
ROPE = {"rope_type": "default", "rope_theta": 1e6}


def qwen_tokenizer() -> Any:
    """Bytes as words, and Qwen's marks."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    words = {word: number for number, word in enumerate([*sorted(ByteLevel.alphabet()), *SPECIALS])}
    tokenizer = Qwen2Tokenizer(
        vocab=words,
        merges=[],
        unk_token=SPECIALS[0],
        pad_token=SPECIALS[0],
        eos_token="<|im_end|>",
        additional_special_tokens=SPECIALS[1:],
        model_max_length=4096,
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def qwen_image_edit(folder: Path) -> None:
    """Layout of Qwen/Qwen-Image-Edit-2511."""
    import diffusers
    import transformers

    tokenizer = qwen_tokenizer()
    text_encoder = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config=_text(tokenizer, ROPE | {"mrope_section": [2, 3, 3]}, num_hidden_layers=2),
            vision_config=_vision(patch_size=14, window_size=112, fullatt_block_indexes=[1]),
            **_marks(tokenizer),
        )
    )
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 6, 6),
    )
    pictures = {"patch_size": 14, "min_pixels": 56 * 56, "max_pixels": 112 * 112}
    diffusers.QwenImageEditPlusPipeline(
        scheduler=_scheduler(),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        processor=transformers.Qwen2VLProcessor(
            image_processor=transformers.Qwen2VLImageProcessor(**pictures),
            tokenizer=tokenizer,
            video_processor=transformers.Qwen2VLVideoProcessor(**pictures),
            chat_template=CHAT,
        ),
        transformer=transformer,
    ).save_pretrained(folder)


def qwen_image21(folder: Path) -> None:
    """Layout of Qwen/Qwen-Image-2.1. A token of the text encoder's picture must be 32 pixels wide: 2 x 2 latents."""
    import diffusers
    import transformers

    tokenizer = qwen_tokenizer()
    text_encoder = transformers.Qwen3VLForConditionalGeneration(
        transformers.Qwen3VLConfig(
            text_config=_text(
                tokenizer,
                ROPE | {"mrope_section": [4, 2, 2], "mrope_interleaved": True},
                num_hidden_layers=3,
                head_dim=16,
            ),
            vision_config=_vision(patch_size=16, num_position_embeddings=64, deepstack_visual_indexes=[0]),
            **_marks(tokenizer),
        )
    )
    vae = diffusers.AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=8,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True, True],
        latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
    )
    transformer = diffusers.QwenImage21Transformer2DModel(
        in_channels=8,
        out_channels=8,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=32,
        mlp_ratio=2,
        axes_dims_rope=(4, 6, 6),
    )
    pictures = {"patch_size": 16, "min_pixels": 32 * 32, "max_pixels": 1024 * 1024}
    diffusers.QwenImage21Pipeline(
        scheduler=_scheduler(),
        vae=vae,
        text_encoder=text_encoder,
        processor=transformers.Qwen3VLProcessor(
            image_processor=transformers.Qwen2VLImageProcessor(**pictures),
            tokenizer=tokenizer,
            video_processor=transformers.Qwen3VLVideoProcessor(patch_size=16),
            chat_template=CHAT,
        ),
        transformer=transformer,
    ).save_pretrained(folder)


def flux2_klein(folder: Path, *, distilled: bool = True) -> None:
    """Layout of black-forest-labs/FLUX.2-klein-4B; 28 thin layers, since the pipeline reads the 27th."""
    import diffusers
    import transformers

    tokenizer = qwen_tokenizer()
    text_encoder = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=28,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
        )
    )
    vae = diffusers.AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=1, sample_size=64
    )
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        axes_dims_rope=(4, 4, 4, 4),
        timestep_guidance_channels=32,
        guidance_embeds=False,
    )
    diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=distilled,
    ).save_pretrained(folder)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "qwen_image_edit": qwen_image_edit,
    "qwen_image21": qwen_image21,
    "flux2_klein": flux2_klein,
}


def tiny_editor(kind: str, folder: Path) -> Path:
    """The folder, with a checkpoint of an editor in it; always the same."""
    declare_operators()
    import torch

    torch.manual_seed(7)
    BUILDERS[kind](folder)
    return folder


def _text(tokenizer: Any, rope: dict[str, object], **more: object) -> dict[str, object]:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2}
    return {"vocab_size": len(tokenizer), "rope_parameters": rope, "max_position_embeddings": 8192} | sizes | more


def _vision(**more: object) -> dict[str, object]:
    sizes = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32}
    return {"spatial_merge_size": 2, "temporal_patch_size": 2} | sizes | more


def _marks(tokenizer: Any) -> dict[str, int]:
    marks = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {key: tokenizer.convert_tokens_to_ids(mark) for key, mark in marks.items()}


def _scheduler() -> Any:
    import diffusers

    return diffusers.FlowMatchEulerDiscreteScheduler(
        base_image_seq_len=256,
        base_shift=0.5,
        max_image_seq_len=8192,
        max_shift=0.9,
        shift_terminal=0.02,
        time_shift_type="exponential",
        use_dynamic_shifting=True,
    )
