"""Weights that are one file of a repository: a LoRA, or a transformer as GGUF or in its authors' own naming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from ditto_models.gpu.weights import WeightsConfig, WeightsError, located


class SingleFileConfig(WeightsConfig):
    """Which file, alone of its repository."""

    file: str = Field(pattern=r"^[^/].*\.(safetensors|gguf)$")
    """In it, for example "loras/causvid.safetensors"; no other format is read."""


def transformer_of(kind: Any, config: SingleFileConfig, folder: Path, subfolder: str, dtype: Any) -> Any:
    """A diffusers transformer from one file; its configuration comes from `folder/subfolder/config.json`.

    `kind` is its class, for example WanVACETransformer3DModel. A GGUF file stays quantized and is unpacked layer by
    layer as it computes in `dtype`; its norms and biases are as the file has them.

    Raises:
        WeightsError: it cannot be had, or does not hold this transformer.
    """
    from diffusers import GGUFQuantizationConfig

    path = located(config)
    packed = GGUFQuantizationConfig(compute_dtype=dtype) if path.suffix == ".gguf" else None
    try:
        return kind.from_single_file(
            str(path), config=str(folder), subfolder=subfolder, torch_dtype=dtype, quantization_config=packed
        )
    except (KeyError, ValueError, RuntimeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{config.file!r} does not load as {kind.__name__} of {folder / subfolder}: {said}"
        ) from error
