"""Tiny checkpoints with random weights of the networks that look at clips: their folders load as real ones do."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch

from ditto_models.torchvision_cpu import declare_operators

PATCH = 8
"""Pixels; a frame of 64 has 8 x 8 patches."""
VOCABULARY = 2 * 36 + 2
"""Of the tokenizer that SAM 3 reads words by."""


def tiny_depth(folder: Path, kind: str = "relative") -> Path:
    """Depth Anything: a DINOv2 of four layers and the head that makes depth of them."""
    declare_operators()
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        patch_size=PATCH,
        image_size=64,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=PATCH,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
    )
    model = DepthAnythingForDepthEstimation(config)
    # As they begin, the weights give the same grey everywhere.
    for weights in (model.head.conv2.weight, model.head.conv3.weight):
        torch.nn.init.normal_(weights, std=2.0)
    model.save_pretrained(folder)
    size = {"height": 64, "width": 64}
    DPTImageProcessor(size=size, keep_aspect_ratio=True, ensure_multiple_of=PATCH).save_pretrained(folder)
    return folder


def tiny_sam3(folder: Path) -> Path:
    """SAM 3 for video: detector, tracker and tokenizer; thresholds so low that random weights find something."""
    declare_operators()
    from transformers import (
        CLIPTokenizer,
        Sam2VideoVideoProcessor,
        Sam3ImageProcessor,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    torch.manual_seed(0)
    width = 128  # more than its memory, which has 64: the tracker asks for both
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": width,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "pretrain_image_size": 64,
        "patch_size": PATCH,
        "window_size": 4,
        "global_attn_indexes": [1],
    }
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": width,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }
    layers = {"hidden_size": width, "num_attention_heads": 2, "intermediate_size": 32, "dropout": 0.0}
    detector = {
        "model_type": "sam3",
        "vision_config": vision,
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": VOCABULARY,
            "hidden_size": width,
            "intermediate_size": 32,
            "projection_dim": width,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "bos_token_id": VOCABULARY - 2,
            "eos_token_id": VOCABULARY - 1,
        },
        "geometry_encoder_config": {**layers, "num_layers": 1},
        "detr_encoder_config": {**layers, "num_layers": 1},
        "detr_decoder_config": {**layers, "num_layers": 1, "num_queries": 6},
        "mask_decoder_config": {"hidden_size": width, "num_attention_heads": 2},
    }
    tracker = {
        "model_type": "sam3_tracker_video",
        "vision_config": vision,
        "image_size": 64,
        "prompt_encoder_config": {"hidden_size": width, "image_size": 64, "patch_size": PATCH},
        "mask_decoder_config": {"hidden_size": width, "mlp_dim": 32, "num_attention_heads": 2},
        "memory_attention_hidden_size": width,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 32,
        "memory_encoder_hidden_size": width,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": width,
        "memory_fuser_embed_dim": width,
        "memory_fuser_intermediate_dim": 32,
        "max_object_pointers_in_encoder": 4,
    }
    config = Sam3VideoConfig(
        detector_config=detector,
        tracker_config=tracker,
        low_res_mask_size=32,
        score_threshold_detection=0.2,
        new_det_thresh=0.2,
        det_nms_thresh=0.8,  # several objects, although they lie over each other
        hotstart_delay=0,  # a tracker of random weights would lose everything it must prove
    )
    Sam3VideoModel(config).save_pretrained(folder)
    size = {"height": 64, "width": 64}
    Sam3VideoProcessor(
        image_processor=Sam3ImageProcessor(size=size, mask_size={"height": 32, "width": 32}),
        video_processor=Sam2VideoVideoProcessor(size=size),
        tokenizer=_clip_tokenizer(CLIPTokenizer),
    ).save_pretrained(folder)
    return folder


def _clip_tokenizer(kind: Any) -> Any:
    """Letters, each as itself and as the end of a word, and no merges."""
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return kind(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=32)


def tiny_dinov2(folder: Path) -> Path:
    """DINOv2 of two layers, and the processor that it comes with."""
    declare_operators()
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, patch_size=PATCH, image_size=64
    )
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def tiny_raft(pickled: Path) -> Path:
    """RAFT's small network with random weights, as torchvision hands its weights out."""
    declare_operators()
    from ditto_models.gpu.raft import network

    torch.manual_seed(0)
    torch.save(network("small").state_dict(), pickled)
    return pickled


def tiny_clip(folder: Path) -> Path:
    """CLIP of one layer each for pictures and words, with a vocabulary of letters, and what prepares its input."""
    declare_operators()
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    letters = [*string.printable, *(f"{letter}</w>" for letter in string.printable)]
    vocabulary = {piece: place for place, piece in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    width: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    ends = {"bos_token_id": len(letters), "eos_token_id": len(letters) + 1, "pad_token_id": len(letters) + 1}
    text = width | ends | {"vocab_size": len(vocabulary), "max_position_embeddings": 16}
    vision = width | {"image_size": 32, "patch_size": PATCH}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    return folder
