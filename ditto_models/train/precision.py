"""Trained weights in float32, in a network that computes as it does once it is loaded to edit.

A Wan-VACE in bfloat16 keeps its time embedder, its tables and some norms in float32 (`_keep_in_fp32_modules`); all else
follows the type of what comes in. autocast would compute every linear layer in bfloat16, the time embedder's too, and
other norms in float32: what trains under it learns beside conditions that it never meets again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def kept_in_float32(network: Any) -> None:
    """Make what trains of a network float32, and compute with it in the type of what comes in.

    Raises:
        TypeError: what trains belongs to a module that is not known to have one type.
    """
    import torch

    forwards = {torch.nn.Linear: _linear, torch.nn.Conv3d: _convolution, torch.nn.RMSNorm: _norm}
    for module in network.modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = False  # peft computes a LoRA in the type that it is kept in
        trained = [each for each in module.parameters(recurse=False) if each.requires_grad]
        if trained and type(module) in forwards:
            module.forward = partial(forwards[type(module)], module)
            for parameter in trained:
                parameter.data = parameter.data.float()
        elif any(each.dtype != torch.float32 for each in trained):
            raise TypeError(
                f"a {type(module).__name__} trains in {trained[0].dtype}; expected float32, or one of "
                f"{', '.join(kind.__name__ for kind in forwards)}"
            )


def _linear(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import linear

    return linear(inputs, module.weight.to(inputs.dtype), _as(inputs, module.bias))


def _convolution(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    made: torch.Tensor = module._conv_forward(inputs, module.weight.to(inputs.dtype), _as(inputs, module.bias))
    return made


def _norm(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import rms_norm

    return rms_norm(inputs, module.normalized_shape, _as(inputs, module.weight), module.eps)


def _as(inputs: torch.Tensor, parameter: torch.Tensor | None) -> torch.Tensor | None:
    return None if parameter is None else parameter.to(inputs.dtype)
