"""Tiny checkpoints with random weights of the networks that look at clips: their folders load as real ones do."""

from __future__ import annotations

from pathlib import Path

import torch

from ditto_models.torchvision_cpu import declare_operators

PATCH = 8
"""Pixels; a frame of 64 has 8 x 8 patches."""


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
