"""What was trained of a Wan-VACE as other programs name it; tensors in, tensors out.

DiffSynth-Studio reads a context branch, or a LoRA's factors, in Wan's own names (diffsynth/utils/lora/general.py and
examples/wanvideo: `--remove_prefix_in_ckpt pipe.vace.`). ComfyUI puts `diffusion_model.` before them, reads factors as
lora_up and lora_down with an alpha, and takes differences of weights (.diff) and biases (.diff_b) in the same file
(comfy/lora.py, comfy/weight_adapter/lora.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from ditto_models.gpu.lora_names import own_name, own_parameter

if TYPE_CHECKING:
    import torch

BranchFormat = Literal["diffusers", "diffsynth"]
LoraFormat = Literal["diffusers_lora", "diffsynth_lora", "comfyui_lora"]
Format = Literal["diffusers", "diffsynth", "comfyui", "diffusers_lora", "diffsynth_lora", "comfyui_lora"]
FORMATS: tuple[Format, ...] = get_args(Format)
LORA_FORMATS: tuple[LoraFormat, ...] = get_args(LoraFormat)
_DOWN, _UP = "lora_A.weight", "lora_B.weight"


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Of one weight: what is added to it is `up @ down`."""

    down: torch.Tensor
    """RI: rank, inputs."""
    up: torch.Tensor
    """OR: outputs, rank."""

    @property
    def change(self) -> torch.Tensor:
        """OI, in float32."""
        return self.up.float() @ self.down.float()


def factors_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, Factors]:
    """By module, of a file in the format diffusers_lora, which a LoRA training leaves."""
    begin = "transformer."
    modules = [name.removeprefix(begin).removesuffix(f".{_DOWN}") for name in tensors if name.endswith(_DOWN)]
    return {
        module: Factors(down=tensors[f"{begin}{module}.{_DOWN}"], up=tensors[f"{begin}{module}.{_UP}"])
        for module in modules
    }


def branch_keys(form: BranchFormat, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Whole weights, given by diffusers' names."""
    return {own_parameter(name) if form == "diffsynth" else name: each for name, each in weights.items()}


def difference_keys(differences: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What is added to weights, biases and tables, given by diffusers' names, as ComfyUI's loader of LoRAs takes it."""
    keys: dict[str, torch.Tensor] = {}
    for name, each in differences.items():
        module, _, kind = name.rpartition(".")
        if kind in ("weight", "bias"):
            keys[f"diffusion_model.{own_name(module)}.{'diff' if kind == 'weight' else 'diff_b'}"] = each
        else:
            keys[f"diffusion_model.{own_parameter(name)}.diff"] = each
    return keys


def lora_keys(form: LoraFormat, factors: Mapping[str, Factors]) -> dict[str, torch.Tensor]:
    """Factors, given by diffusers' names of their modules."""
    import torch

    keys: dict[str, torch.Tensor] = {}
    for module, each in factors.items():
        if form == "diffusers_lora":
            keys |= {f"transformer.{module}.{_DOWN}": each.down, f"transformer.{module}.{_UP}": each.up}
        elif form == "diffsynth_lora":
            name = own_name(module)
            keys |= {f"{name}.lora_A.default.weight": each.down, f"{name}.lora_B.default.weight": each.up}
        else:
            name = f"diffusion_model.{own_name(module)}"
            keys |= {f"{name}.lora_down.weight": each.down, f"{name}.lora_up.weight": each.up}
            keys[f"{name}.alpha"] = torch.tensor(float(each.down.shape[0]))
    return keys
