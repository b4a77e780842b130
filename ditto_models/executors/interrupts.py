"""Ctrl-C and the processes that executors start."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes and threads that begin within the block hold Ctrl-C back for good, since they inherit what it holds.

    A terminal sends Ctrl-C to every process; a worker that is still starting would answer it with a traceback.
    """
    resource_tracker.ensure_running()  # which would let interrupts through again where it is begun
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
