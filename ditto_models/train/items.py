"""One pair as the network reads it: latents and text embeddings, from a cache or encoded as they are asked for.

Tensor suffixes: B batch, C channels of a latent (16), T latent frames, H and W latent rows and columns, L tokens,
D dimensions of a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.pairs import TrainingPair

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Item:
    """One pair in one bucket; latents are normalised as the transformer expects them."""

    source_CTHW: torch.Tensor
    edited_CTHW: torch.Tensor
    key_C1HW: torch.Tensor
    """Of the edited key frame."""
    empty_CTHW: torch.Tensor
    """Of a video of mid grey, which stands for what VACE is not to keep; the same for all of a bucket."""
    text_LD: torch.Tensor
    """Of the instruction."""


class Items(Protocol):
    """Where items come from."""

    def get(self, pair: TrainingPair, bucket: Bucket) -> Item:
        """The pair's item, on the CPU.

        Raises:
            UnusablePair: its files are missing, broken or unfit.
        """
        ...
