"""Memory that is used up: how torch says so, how it is given back, and how far a network has been eased for it.

A network that did not fit while it was being loaded has nothing yet that could be eased. Its next try is told by a
`Descent` how many steps to take at once (`placement.placed` reads it).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_SIGNS = (
    "out of memory",  # torch.OutOfMemoryError and AcceleratorError, of CUDA, ROCm, XPU and MPS
    "can't allocate memory",  # torch's allocator on the CPU
    "not enough memory",  # the same, where the system is Windows
    "_status_alloc_failed",  # cuBLAS and cuDNN, which take workspace of their own
    "unable to find an engine to execute this computation",  # a convolution for which no workspace was left
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up, in any of the ways that torch and its libraries have for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # By name: our own OutOfMemory quotes such a message, and whoever raised it has eased all that can be.
    if not isinstance(error, RuntimeError) or type(error).__name__ == "OutOfMemory":
        return False
    said = str(error).lower()
    return any(sign in said for sign in _SIGNS)


def empty_cache() -> None:
    """Give memory that nothing holds any more back to the device; pipelines are cycles, which only gc finds."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@dataclass(kw_only=True)
class Descent:
    """How far down the ladder of `placement` a network has gone."""

    steps: int = 0
    """Taken so far; a network that is loaded again starts from here."""
    next_step: str = ""
    """What one more would do, as the pipeline that is being placed has it; nothing where there is none."""
    next_size: int = 1
    """Steps that it takes at once: those that make no room for weights are passed over."""

    def step(self) -> str:
        """Go one down for the next load; says what that does."""
        if self.next_step:
            self.steps += self.next_size
        return self.next_step


_descent: ContextVar[Descent | None] = ContextVar("descent", default=None)


@contextmanager
def descending(descent: Descent) -> Iterator[None]:
    """While the block lasts, pipelines are placed that far down."""
    descent.next_step, descent.next_size = "", 1
    token = _descent.set(descent)
    try:
        yield
    finally:
        _descent.reset(token)


def descent_of_load() -> Descent:
    """Of the network that is being loaded; none taken where a pipeline is placed outside of one."""
    return _descent.get() or Descent()
