"""The real shapes of the networks, as their public configurations have them, and tiny ones for a CPU.

Sources: Wan-VACE and Wan2.2, `scripts/convert_wan_to_diffusers.py` of huggingface/diffusers, which made the published
checkpoints; Qwen-Image 2.1, Qwen-Image-Edit-Plus and the VAEs, the defaults of diffusers' classes, which are their
published configurations; Depth Anything V2, config.json of depth-anything/Depth-Anything-V2-{Small,Large}-hf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROMPT_TOKENS = 512
"""Of a prompt, as Wan pads it."""
WORDS = 128
"""Tokens of an edit's instruction; where the encoder has seen the picture at 384x384, about as many again."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a video."""

    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"

    def pixels(self) -> tuple[int, int, int]:
        """Frames, height and width."""
        return self.frames, self.height, self.width

    def latent(self, references: int = 0) -> tuple[int, int, int]:
        """Frames, height and width of what the transformer sees, with so many reference images in front."""
        return (self.frames - 1) // 4 + 1 + references, self.height // 8, self.width // 8


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Everything that is measured: keywords of diffusers' and transformers' classes."""

    sizes: tuple[Size, ...]
    vace: dict[str, dict[str, Any]]
    enhancer: dict[str, Any]
    wan_vae: dict[str, Any]
    edit: dict[str, Any]
    """Qwen-Image-Edit-Plus."""
    edit21: dict[str, Any]
    """Qwen-Image 2.1."""
    edit_grid: int
    """Tokens along one side of the picture, of 16 pixels each."""
    edit_steps: int
    depth: dict[str, dict[str, Any]]
    depth_short_side: int
    """Pixels of a frame's shorter side as it is seen."""
    matrix: tuple[int, ...]
    """Sides of the square matrices whose product gives the rate of the floor."""


_WAN: dict[str, Any] = {
    "attention_head_dim": 128,
    "cross_attn_norm": True,
    "eps": 1e-6,
    "freq_dim": 256,
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": (1, 2, 2),
    "qk_norm": "rms_norm_across_heads",
    "text_dim": 4096,
}
_WAN_14B = {**_WAN, "ffn_dim": 13824, "num_attention_heads": 40, "num_layers": 40}
_VACE_14B = {**_WAN_14B, "vace_layers": list(range(0, 40, 5)), "vace_in_channels": 96}
_VACE_1_3B = {
    **_WAN,
    "ffn_dim": 8960,
    "num_attention_heads": 12,
    "num_layers": 30,
    "vace_layers": list(range(0, 30, 2)),
    "vace_in_channels": 96,
}


def _depth(hidden: int, layers: int, heads: int, at: list[int], neck: list[int], fusion: int) -> dict[str, Any]:
    return {
        "backbone_config": {
            "model_type": "dinov2",
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "image_size": 518,
            "patch_size": 14,
            "out_indices": at,
            "reshape_hidden_states": False,
        },
        "reassemble_hidden_size": hidden,
        "neck_hidden_sizes": neck,
        "fusion_hidden_size": fusion,
        "patch_size": 14,
    }


REAL = Shapes(
    sizes=(Size(width=832, height=480, frames=49), Size(width=1280, height=720, frames=101)),
    vace={"1.3B": _VACE_1_3B, "14B": _VACE_14B},
    enhancer=_WAN_14B,
    wan_vae={},
    edit={},
    edit21={},
    edit_grid=64,
    edit_steps=40,
    depth={
        "small": _depth(384, 12, 6, [3, 6, 9, 12], [48, 96, 192, 384], 64),
        "large": _depth(1024, 24, 16, [5, 12, 18, 24], [256, 512, 1024, 1024], 256),
    },
    depth_short_side=518,
    matrix=(8192, 16384),
)

_SMALL: dict[str, Any] = {
    "attention_head_dim": 24,
    "ffn_dim": 64,
    "freq_dim": 32,
    "num_attention_heads": 2,
    "num_layers": 2,
    "patch_size": (1, 2, 2),
    "text_dim": 4096,
}

_SMALL_EDIT: dict[str, Any] = {
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "axes_dims_rope": (4, 6, 6),
}

TINY = Shapes(
    sizes=(Size(width=64, height=64, frames=9),),
    vace={"14B": {**_SMALL, "vace_layers": [0], "vace_in_channels": 96}},
    enhancer=_SMALL,
    wan_vae={"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
    edit=_SMALL_EDIT,
    edit21={**_SMALL_EDIT, "mlp_ratio": 2},
    edit_grid=8,
    edit_steps=2,
    depth={"small": _depth(32, 4, 2, [1, 2, 3, 4], [8, 8, 16, 16], 16)},
    depth_short_side=56,
    matrix=(256,),
)
"""The same networks with few and narrow layers; text and latent channels are the real ones."""
