"""Vectors of many texts, kept between processes: those of the catalogue take seconds to make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def kept_vectors(texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors], folder: Path | None) -> Vectors:
    """Vectors ND of the texts, those kept in `folder` if they are of these texts and of this embedder.

    What is kept is held against a vector made anew, so that another embedder's never pass for this one's.
    """
    if folder is None or not texts:
        return embed(texts)
    first = embed(texts[:1])
    name = hashlib.sha256("\n".join(texts).encode() + np.round(first, 3).tobytes()).hexdigest()[:16]
    path = folder / f"catalogue-{name}.npy"
    if (found := _read(path, len(texts), first)) is not None:
        return found
    made = embed(texts)
    _write(path, made)
    return made


def _read(path: Path, count: int, first: Vectors) -> Vectors | None:
    """What is kept; None where there is nothing, or it is damaged."""
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = kept.dtype == np.float32 and kept.shape == (count, first.shape[1])
    return kept if fits and np.allclose(kept[:1], first, atol=1e-3) else None


def _write(path: Path, vectors: Vectors) -> None:
    """Whole or not at all; a folder that cannot be written to only costs the next process its time."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.save(file, vectors)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
