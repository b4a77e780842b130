"""Weights that are one file of a repository: a LoRA, or a transformer as GGUF or in its authors' own naming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.gpu.weights import WeightsError


class SingleFileConfig(BaseModel):
    """Which file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = Field(min_length=1)
    """A hub's name or a folder."""
    file: str = Field(pattern=r"^[^/].*\.(safetensors|gguf)$")
    """In it, for example "loras/causvid.safetensors"; no other format is read."""
    revision: str = "main"
    """Commit of the hub's repository; a branch or tag may change under a run."""


def file_of(config: SingleFileConfig) -> Path:
    """The file, downloaded on first use, and nothing else of its repository.

    Raises:
        WeightsError: there is no such file, or the hub is out of reach.
    """
    folder = Path(config.repo)
    if folder.is_dir():
        path = folder / config.file
        if not path.is_file():
            raise WeightsError(f"there is no {config.file!r} in {config.repo!r}; expected weights there, mind the name")
        return path
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(config.repo, config.file, revision=config.revision))
    except Exception as error:
        said = str(error).splitlines()[0]
        raise WeightsError(
            f"{config.file!r} of {config.repo!r} at {config.revision!r} cannot be had: {said}; "
            "give a folder, or run where the hub or its cache is"
        ) from error


def transformer_of(kind: Any, config: SingleFileConfig, folder: Path, subfolder: str, dtype: Any) -> Any:
    """A diffusers transformer from one file; its configuration comes from `folder/subfolder/config.json`.

    `kind` is its class, for example WanVACETransformer3DModel. A GGUF file stays quantized and is unpacked layer by
    layer as it computes in `dtype`; its norms and biases are as the file has them.

    Raises:
        WeightsError: the file does not hold this transformer.
    """
    from diffusers import GGUFQuantizationConfig

    path = file_of(config)
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
