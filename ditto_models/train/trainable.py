"""What of a WanVACETransformer3DModel trains; everything else stays as it was, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch

ADAPTER = "editto"
"""Name of the LoRA adapter."""
_LORA_TARGETS = (
    r"vace_blocks\.\d+\.(attn[12]\.(to_q|to_k|to_v|to_out\.0)|ffn\.net\.0\.proj|ffn\.net\.2|proj_in|proj_out)"
)
"""Every linear layer of the context blocks."""


class Linear(BaseModel):
    """The linear projections of the context blocks, as in the paper."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["linear"] = "linear"


class Branch(BaseModel):
    """The whole context branch: its blocks with norms and tables, and what embeds its patches."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["branch"] = "branch"


class Lora(BaseModel):
    """A LoRA on the linear projections of the context blocks (Hu et al. 2021)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=64, ge=1)
    alpha: float = Field(default=64.0, gt=0)
    """Its scale is alpha / rank."""


Trains = Annotated[Linear | Branch | Lora, Field(discriminator="kind")]


def made_trainable(transformer: Any, trains: Linear | Branch | Lora) -> dict[str, torch.nn.Parameter]:
    """Freeze all but what trains, and return that by name, in the transformer's own order; a LoRA is added to it."""
    import torch

    transformer.requires_grad_(False)
    if isinstance(trains, Lora):
        from peft import LoraConfig

        transformer.add_adapter(
            LoraConfig(r=trains.rank, lora_alpha=trains.alpha, init_lora_weights=True, target_modules=_LORA_TARGETS),
            adapter_name=ADAPTER,
        )
    else:
        for name, module in transformer.named_modules():
            if name.startswith("vace_blocks") and isinstance(module, torch.nn.Linear):
                module.requires_grad_(True)
        if isinstance(trains, Branch):
            transformer.vace_blocks.requires_grad_(True)
            transformer.vace_patch_embedding.requires_grad_(True)
    return {name: parameter for name, parameter in transformer.named_parameters() if parameter.requires_grad}
