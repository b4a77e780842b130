"""Work on files from outside in processes of their own: one that crashes, hangs or swells takes nothing else along."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.executors.base import Timed, WorkerLost

P = ParamSpec("P")
T = TypeVar("T")

_stall_seconds = 0
"""Of this process, where it is a worker: how long a step may take."""


class IsolatedConfig(BaseModel):
    """What a worker may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_gib: float = Field(default=4.0, ge=1)
    """Of address space, of which a worker uses a few hundred MiB."""
    stall_seconds: int = Field(default=60, ge=1)
    """Between two calls of `progress`."""


class IsolatedExecutor:
    """An Executor of worker processes with limits. Functions, arguments and results must be picklable.

    A worker that takes more memory than it may fails its call; one that does not call `progress` in time is killed
    by the kernel's alarm, even deep inside a decoder.
    """

    def __init__(self, workers: int, config: IsolatedConfig | None = None) -> None:
        self.config = config or IsolatedConfig()
        # Spawned and not forked: a fork of a process with threads may deadlock.
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_set_limits,
            initargs=(round(self.config.memory_gib * 2**30), self.config.stall_seconds),
            context=multiprocessing.get_context("spawn"),
        )

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` in a worker; what it raises is raised here.

        Raises:
            WorkerLost: the call crashed its worker, hung, or needed more memory than it may have.
        """
        with _interrupts_held():
            future: Future[Timed[T]] = self._pool.schedule(_timed, args=[function, args, kwargs])
        try:
            return await asyncio.wrap_future(future)
        except ProcessExpired as error:
            raise WorkerLost(self._why_lost(error.exitcode)) from error
        except MemoryError as error:
            raise WorkerLost(f"it needs more than {self.config.memory_gib:g} GiB of memory") from error

    def close(self) -> None:
        """Drop what is under way and end the workers."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _why_lost(self, exit_code: int) -> str:
        if exit_code == -signal.SIGALRM:
            return f"the decoder hung: no progress for {self.config.stall_seconds} s"
        name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
        return f"the decoder crashed ({name})"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """The pool's threads begin with the first call, and what they begin inherits what they hold back.

    A terminal sends Ctrl-C to every process; a worker that is still starting would answer it with a traceback.
    """
    resource_tracker.ensure_running()  # which would let interrupts through again where it is begun
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def progress() -> None:
    """Tell the kernel's alarm that a worker is getting on; does nothing elsewhere."""
    if _stall_seconds:
        signal.alarm(_stall_seconds)


def _set_limits(memory_bytes: int, stall_seconds: int) -> None:
    global _stall_seconds
    _stall_seconds = stall_seconds
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The default action ends the process at once: a handler would wait for the decoder to return.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _timed(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> Timed[T]:
    progress()
    started = time.perf_counter()
    try:
        value = function(*args, **kwargs)
        return Timed(value=value, seconds=time.perf_counter() - started)
    finally:
        signal.alarm(0)
