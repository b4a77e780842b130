"""LoRAs of few-step models (CausVid, lightx2v) and others, fused into the weights and proved to have changed them.

A LoRA adds `alpha / rank * up @ down` to a weight (Hu et al., LoRA, 2021). Files name the same weights in many ways
(`lora_names`). Loaders pass over what they do not know, and a distilled LoRA that is half loaded gives a grey blur at
four steps: so every key of a file must find its weight, and the change is measured. Fuse before quantizing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ditto_models.executors.of_call import note
from ditto_models.gpu.lora_names import Change, changes_of
from ditto_models.gpu.single_file import SingleFileConfig
from ditto_models.gpu.weights import WeightsError, located

if TYPE_CHECKING:
    import torch


class LoraConfig(SingleFileConfig):
    """Which LoRA, how strong and where to."""

    file: str = Field(pattern=r"^[^/].*\.safetensors$")
    weight: float = 1.0
    """Times the file's own scale."""
    transformer: Literal["transformer", "transformer_2", "both"] = "transformer"
    """Of a pipeline with two experts, transformer_2 is the one for low noise."""
    alpha: float | None = None
    """Of a file that does not hold it; its rank where none is said, which is a scale of 1."""
    leave: tuple[str, ...] = ()
    """Keys of the file to leave out, for example "*img*"; any other that finds no weight is an error."""


@dataclass(frozen=True, kw_only=True)
class Fused:
    """What a LoRA, or other weights, did to one transformer."""

    kind: str = "lora"
    file: str
    transformer: str
    changed: tuple[str, ...]
    """Weights that are no longer what they were."""
    unchanged: tuple[str, ...]
    """Weights that the file names but leaves as they were."""
    relative_change: float
    """Norm of the change over the norm of the weights that the file names."""

    @classmethod
    def of(cls, file: str, transformer: str, norms: Mapping[str, tuple[float, float]], kind: str = "lora") -> Fused:
        """From the norms of each weight's change and of the weight."""
        return cls(
            kind=kind,
            file=file,
            transformer=transformer,
            changed=tuple(name for name, (change, _) in norms.items() if change > 0),
            unchanged=tuple(name for name, (change, _) in norms.items() if change == 0),
            relative_change=math.hypot(*(change for change, _ in norms.values()))
            / max(math.hypot(*(weight for _, weight in norms.values())), 1e-12),
        )

    def __str__(self) -> str:
        of = len(self.changed) + len(self.unchanged)
        return (
            f"{self.kind} {self.file}: changed {len(self.changed)} of {of} weights of {self.transformer} "
            f"by {self.relative_change:.2%}"
        )


def with_loras(pipeline: Any, loras: Iterable[LoraConfig]) -> tuple[Fused, ...]:
    """Fuse LoRAs into a diffusers pipeline's transformers, in order; its weights change for good.

    Raises:
        WeightsError: a file has no LoRA, keys that find no weight here, or changes nothing.
    """
    fused = tuple(
        _fused(pipeline, name, lora)
        for lora in loras
        for name in (("transformer", "transformer_2") if lora.transformer == "both" else (lora.transformer,))
    )
    for each in fused:
        note(str(each))
    return fused


def _fused(pipeline: Any, name: str, lora: LoraConfig) -> Fused:
    transformer = getattr(pipeline, name, None)
    if transformer is None:
        raise WeightsError(f"lora {lora.file!r} is for {name!r}, which this pipeline does not have; see `transformer`")
    return with_lora(transformer, lora, name)


def with_lora(transformer: Any, lora: LoraConfig, name: str = "transformer") -> Fused:
    """Fuse one LoRA into a transformer, called `name` in what is told of it.

    Raises:
        WeightsError: the file has no LoRA, keys that find no weight here, or changes nothing.
    """
    from safetensors import safe_open

    with safe_open(located(lora), framework="pt") as file:
        keys = [key for key in file.keys() if not any(fnmatch(key, pattern) for pattern in lora.leave)]  # noqa: SIM118
        changes = changes_of(lora.file, keys, transformer, file.metadata() or {})
        parameters = dict(transformer.named_parameters())
        norms = {
            change.parameter: _changed(parameters[change.parameter], _delta(change, file, lora), change, lora)
            for change in changes
        }
    report = Fused.of(lora.file, name, norms)
    if not report.changed:
        raise WeightsError(
            f"lora {lora.file!r} at weight {lora.weight} changed none of the {len(norms)} weights that it names; "
            "expected a trained LoRA"
        )
    return report


def _delta(change: Change, file: Any, lora: LoraConfig) -> torch.Tensor:
    """What is added to a weight, in float32 and of its number of elements."""
    if change.whole:
        whole: torch.Tensor = file.get_tensor(change.whole).float()
        return whole * lora.weight
    up, down = (file.get_tensor(key).float().flatten(1) for key in (change.up, change.down))
    rank = down.shape[0]
    if up.shape[1] != rank:
        raise WeightsError(f"lora {lora.file!r}: {change.up!r} has rank {up.shape[1]}, {change.down!r} has {rank}")
    of_file = float(file.get_tensor(change.alpha)) if change.alpha else None
    alpha = next(alpha for alpha in (of_file, lora.alpha, change.stated_alpha, rank) if alpha is not None)
    pair: torch.Tensor = up @ down * (lora.weight * alpha / rank)
    return pair


def _changed(weight: torch.Tensor, delta: torch.Tensor, change: Change, lora: LoraConfig) -> tuple[float, float]:
    """Add to a weight in place; norms of what that changed and of the weight."""
    where = f"lora {lora.file!r}, weight {change.parameter!r}"
    if delta.numel() != weight.numel() or delta.shape[0] != weight.shape[0]:
        raise WeightsError(f"{where}: is of shape {tuple(delta.shape)}, expected {tuple(weight.shape)}")
    before = _in_full(weight, where)
    return put(weight, before + delta.reshape(before.shape).to(before.device), where)


def put(weight: torch.Tensor, value: torch.Tensor, where: str) -> tuple[float, float]:
    """Give a weight another value, in its own precision; norms of what that changed and of the weight before.

    Raises:
        WeightsError: the value is not finite, or the weight is quantized already; `where` begins the message.
    """
    import torch

    before = _in_full(weight, where)
    after = value.to(device=weight.device, dtype=weight.dtype)
    norms = float((after.float() - before).norm()), float(before.norm())
    if not math.isfinite(norms[0]):
        raise WeightsError(f"{where}: is not finite after fusing; expected finite numbers")
    with torch.no_grad():
        weight.copy_(after)
    return norms


def _in_full(weight: torch.Tensor, where: str) -> torch.Tensor:
    import torch

    if weight.dtype not in (torch.float32, torch.bfloat16, torch.float16) or type(weight.data) is not torch.Tensor:
        raise WeightsError(f"{where}: is quantized already ({weight.dtype}); fuse into full weights, quantize after")
    return weight.detach().float()
