"""Torch as the tests of networks want it: one thread and no denormals, both put back after the file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def quick_torch() -> Iterator[None]:
    """Two threads would contend with the other test process and take ten times as long; denormals are slow too.

    What floats are must be put back: Hypothesis refuses to draw them where small ones are flushed to zero.
    """
    import torch

    from ditto_models.gpu.network import unload_all

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    unload_all()  # what is still loaded would be the first to make room for the next file's networks
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)
