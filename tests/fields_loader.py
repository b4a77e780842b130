"""`datasets.load_dataset`, as the field calls it on a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_folder(folder: Path, cache: Path) -> Any:
    """The folder's pairs, videos as paths."""
    import datasets

    loaded = datasets.load_dataset("videofolder", data_dir=str(folder), cache_dir=str(cache), split="train")
    for column in ("source", "edited"):
        loaded = loaded.cast_column(column, datasets.Video(decode=False))
    return loaded
