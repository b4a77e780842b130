"""A LoRA that comes close to a whole change of weights, by randomized singular value decomposition.

Halko, Martinsson and Tropp 2011 (arXiv 0909.4061): the largest singular values and their vectors, without those of the
rest, which in a 14B model would take hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ditto_models.train.export_keys import Factors

if TYPE_CHECKING:
    import torch

_MORE = 8
"""Directions beyond the rank that are followed, and dropped in the end."""
_PASSES = 4
"""Over the matrix; more separate singular values that lie close together."""


def low_rank(change_OI: torch.Tensor, rank: int) -> Factors:
    """Factors of a rank, or of the matrix's own where that is less; float32, the same on every call."""
    import torch

    change_OI = change_OI.float()
    most = min(change_OI.shape)
    rank = min(rank, most)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if rank + _MORE < most:
            left, values, right = torch.svd_lowrank(change_OI, q=rank + _MORE, niter=_PASSES)
        else:
            left, values, right_T = torch.linalg.svd(change_OI, full_matrices=False)
            right = right_T.mT
    # Each factor has half of the size, so that neither is lost in half precision.
    root = values[:rank].sqrt()
    return Factors(down=(right[:, :rank] * root).mT.contiguous(), up=(left[:, :rank] * root).contiguous())
