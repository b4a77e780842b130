"""What the cache of latents takes on disk, known before anything is encoded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ditto_models.command import CommandFailed
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.placement import Dtype
from ditto_models.gpu.wan_text import MOST_TOKENS
from ditto_models.train.pairs import PairInBucket

BYTES_A_TOKEN = 3
"""Of an instruction: UMT5 takes about four letters together, fewer of other scripts than the Latin."""
_WIDTHS: dict[Dtype, int] = {"bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class CacheCost:
    """Of pairs."""

    folder: Path
    num_pairs: int
    total_bytes: int
    """Of all of them; less where pairs share a source."""
    missing_bytes: int
    """Of those that are not encoded yet, about."""
    free_bytes: int
    """On the folder's disk."""

    def __str__(self) -> str:
        each = self.total_bytes / max(self.num_pairs, 1)
        return (
            f"cache of {self.num_pairs} pairs: {size(self.total_bytes)}, {size(each)} a pair; "
            f"{size(self.missing_bytes)} to write, {size(self.free_bytes)} free in {str(self.folder)!r}"
        )

    def check(self) -> None:
        """Refuse to begin what the disk cannot hold.

        Raises:
            CommandFailed: it cannot.
        """
        if self.missing_bytes > self.free_bytes:
            raise CommandFailed(
                f"the cache needs {size(self.missing_bytes)} more, and the disk of {str(self.folder)!r} has "
                f"{size(self.free_bytes)} free; make room, put the cache elsewhere, or lower data.most_pairs with a "
                "new --out"
            )


def bytes_of(bucket: Bucket, dtype: Dtype) -> int:
    """Of the latents of one pair: source, edited video and key frame."""
    channels, frames, height, width = bucket.latent_shape
    return channels * (2 * frames + 1) * height * width * _WIDTHS[dtype]


def text_bytes(instruction: str, dtype: Dtype, dimensions: int) -> int:
    """Of the embeddings of an instruction, about."""
    tokens = min(len(instruction.encode()) // BYTES_A_TOKEN + 2, MOST_TOKENS)
    return tokens * dimensions * _WIDTHS[dtype]


def cost_of(
    pairs: Sequence[PairInBucket], missing: float, folder: Path, dtype: Dtype, text_dimensions: int
) -> CacheCost:
    """Of pairs in their buckets, of which a share is `missing`; each instruction is kept once."""
    texts = {pair.instruction for pair, _ in pairs}
    total = sum(bytes_of(bucket, dtype) for _, bucket in pairs)
    total += sum(text_bytes(text, dtype, text_dimensions) for text in texts)
    free = shutil.disk_usage(folder).free
    return CacheCost(
        folder=folder, num_pairs=len(pairs), total_bytes=total, missing_bytes=round(missing * total), free_bytes=free
    )


def size(num_bytes: float) -> str:
    """For people: 7.9 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"
