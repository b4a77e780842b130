"""`datasets.load_dataset`, as the field calls it on a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def load_folder(folder: Path, cache: Path) -> Any:
    """The folder's pairs, videos as paths. torchcodec, which finds no CUDA beside a CPU torch, is taken as absent."""
    import datasets

    try:
        import torchcodec  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        pytest.MonkeyPatch().setattr(datasets.config, "TORCHCODEC_AVAILABLE", False)
    loaded = datasets.load_dataset("videofolder", data_dir=str(folder), cache_dir=str(cache), split="train")
    for column in ("source", "edited"):
        loaded = loaded.cast_column(column, datasets.Video(decode=False))
    return loaded
