"""Transformers in fewer bits a weight: torchao's int8 and fp8, or fp8 for storage alone.

Only the linear layers of the repeated blocks are quantized: 97 % of the weights of Wan-VACE 14B. Left as they are:
norms, modulation tables, patch, time and text embeddings, the last projection, and the projections by which VACE's
blocks take in and hand on the guide (`proj_in`, `proj_out`): they are few, and errors in them reach every layer. The
dynamic ways also leave Qwen-Image's modulation layers, a third of it: they see one row, and int8 kernels want 17.
"""

from __future__ import annotations

from typing import Any, Literal

from ditto_models.gpu.cannot_load import CannotLoad

Quantization = Literal["none", "int8_weight", "int8_dynamic", "fp8_weight", "fp8_dynamic", "fp8_layerwise"]
"""weight: weights are small and unpacked to compute. dynamic: activations too, so that the matrix units work in that
type. layerwise: diffusers' casting, weights rounded to fp8 with no scale, cheapest to make and least exact."""

_LEFT = ("proj_in", "proj_out")
_OF_ONE_ROW = ("img_mod", "txt_mod")
FP8_CAPABILITY = (8, 9)
"""CUDA compute capability that multiplies fp8: Ada, Hopper and later."""


class CannotQuantize(CannotLoad):
    """This device or network does not do it; the message says what to choose."""


def quantized(transformer: Any, how: Quantization, device: Any, dtype: Any) -> Any:
    """Quantize a diffusers transformer in place, layer by layer on `device`; it computes in `dtype`.

    Raises:
        CannotQuantize: the device has no fp8 units, or the transformer no repeated blocks, or it is quantized already.
    """
    if how == "none":
        return transformer
    if getattr(transformer, "is_quantized", False):
        raise CannotQuantize(f"{type(transformer).__name__} is quantized by its file (GGUF); choose quantization none")
    if how == "fp8_layerwise":
        import torch

        transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
        return transformer
    from torchao.quantization import quantize_

    names = quantized_layers(transformer, how)
    quantize_(transformer, _recipe(how, device), filter_fn=lambda _, name: name in names, device=device)
    return transformer


def quantized_layers(transformer: Any, how: Quantization) -> frozenset[str]:
    """Names of the linear layers that torchao's ways quantize.

    Raises:
        CannotQuantize: the transformer has no repeated blocks.
    """
    import torch

    kinds = getattr(transformer, "_repeated_blocks", None) or ()
    blocks = tuple(f"{name}." for name, module in transformer.named_modules() if type(module).__name__ in kinds)
    if not blocks:
        raise CannotQuantize(
            f"{type(transformer).__name__} has no repeated blocks to quantize; choose fp8_layerwise or none"
        )
    left = {*_LEFT, *_OF_ONE_ROW} if how.endswith("dynamic") else {*_LEFT}
    return frozenset(
        name
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.startswith(blocks)
        and left.isdisjoint(name.split("."))
        and "norm" not in name
    )


def _recipe(how: Quantization, device: Any) -> Any:
    import torch
    from torchao import quantization

    if how == "int8_weight":
        return quantization.Int8WeightOnlyConfig()
    if how == "int8_dynamic":
        return quantization.Int8DynamicActivationInt8WeightConfig()
    if how == "fp8_weight":
        return quantization.Float8WeightOnlyConfig()
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < FP8_CAPABILITY:
        has = f"capability {torch.cuda.get_device_capability(device)}" if device.type == "cuda" else "no CUDA"
        raise CannotQuantize(
            f"quantization 'fp8_dynamic' needs a GPU of CUDA capability {FP8_CAPABILITY} or later; {str(device)!r} has "
            f"{has}: choose fp8_weight, int8_weight or int8_dynamic"
        )
    return quantization.Float8DynamicActivationFloat8WeightConfig(granularity=quantization.PerRow())
