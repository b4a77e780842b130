"""Transformers in fewer bits a weight: torchao's int8 and fp8, or fp8 for storage alone.

Only the linear layers of the repeated blocks are quantized: 98 % of the weights of Wan-VACE 14B. Left as they are:
norms, modulation tables, patch, time and text embeddings, the last projection, and the projections by which VACE's
blocks take in and hand on the guide (`proj_in`, `proj_out`): they are few, and errors in them reach every layer.
"""

from __future__ import annotations

from typing import Any, Literal

Quantization = Literal["none", "int8_weight", "int8_dynamic", "fp8_weight", "fp8_dynamic", "fp8_layerwise"]
"""weight: weights are small and unpacked to compute. dynamic: activations too, so that the matrix units work in that
type. layerwise: diffusers' casting, weights rounded to fp8 with no scale, cheapest to make and least exact."""

_LEFT = ("proj_in", "proj_out")
FP8_CAPABILITY = (8, 9)
"""CUDA compute capability that multiplies fp8: Ada, Hopper and later."""


class CannotQuantize(RuntimeError):
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

    blocks = _blocks(transformer)
    quantize_(
        transformer,
        _recipe(how, device),
        filter_fn=lambda module, name: _is_quantized(module, name, blocks),
        device=device,
    )
    return transformer


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


def _blocks(transformer: Any) -> tuple[str, ...]:
    """Prefixes of the names of the repeated blocks' modules."""
    kinds = getattr(transformer, "_repeated_blocks", None) or ()
    blocks = tuple(f"{name}." for name, module in transformer.named_modules() if type(module).__name__ in kinds)
    if not blocks:
        raise CannotQuantize(
            f"{type(transformer).__name__} has no repeated blocks to quantize; choose fp8_layerwise or none"
        )
    return blocks


def _is_quantized(module: Any, name: str, blocks: tuple[str, ...]) -> bool:
    import torch

    return (
        isinstance(module, torch.nn.Linear)
        and name.startswith(blocks)
        and name.rpartition(".")[2] not in _LEFT
        and "norm" not in name
    )
