"""Work on files from outside in processes of their own: one that crashes, hangs or swells takes nothing else along."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.executors.base import Timed, WorkerLost, exit_name
from ditto_models.executors.devices import Device
from ditto_models.executors.interrupts import interrupts_held
from ditto_models.executors.of_call import call_scope
from ditto_models.hardware_decoder import CPU

P = ParamSpec("P")
T = TypeVar("T")

POOLS = 3
"""In which a call may fail to begin, before it is given up."""
_stall_seconds = 0
"""Of this process, where it is a worker: how long a step may take."""


class IsolatedConfig(BaseModel):
    """What a worker may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_gib: float = Field(default=4.0, ge=1)
    """Of address space, of which a worker uses a few hundred MiB; on a GPU's decoder, of memory of its own."""
    device: Device = CPU
    """What decodes the files that are looked at: cpu, or cuda:N for a GPU's own decoder (NVDEC). The frames are the
    same; each worker takes a few hundred MB of the GPU. Frames of samples are always decoded on the CPU."""
    stall_seconds: int = Field(default=60, ge=1)
    """Between two calls of `progress`."""


class IsolatedExecutor:
    """An Executor of worker processes with limits. Functions, arguments and results must be picklable.

    A worker that takes more memory than it may fails its call; one that does not call `progress` in time is killed
    by the kernel's alarm, even deep inside a decoder.
    """

    def __init__(self, workers: int, config: IsolatedConfig | None = None) -> None:
        self.config = config or IsolatedConfig()
        self._workers = workers
        self._pool = self._new_pool()

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` in a worker; what it raises is raised here.

        Raises:
            WorkerLost: the call crashed its worker, hung, or needed more memory than it may have.
        """
        for _ in range(POOLS):
            pool = self._pool
            try:
                return await asyncio.wrap_future(_scheduled(pool, function, args, kwargs))
            except ProcessExpired as error:
                raise WorkerLost(self._why_lost(error.exitcode)) from error
            except MemoryError as error:
                raise WorkerLost(f"it needs more than {self.config.memory_gib:g} GiB of memory") from error
            except BrokenProcessPool:
                self._replace(pool)
            except asyncio.CancelledError:
                if pool is self._pool or _is_cancelled():
                    raise
                # Another call found the pool given up, and ended it with this one in it.
        raise WorkerLost(f"its decoder was killed {POOLS} times before it began; the machine may be out of memory")

    def close(self) -> None:
        """Drop what is under way and end the workers."""
        _end(self._pool)

    def _new_pool(self) -> ProcessPool:
        # Spawned and not forked: a fork of a process with threads may deadlock.
        return ProcessPool(
            max_workers=self._workers,
            initializer=_set_limits,
            initargs=(round(self.config.memory_gib * 2**30), self.config.stall_seconds, self.config.device),
            context=multiprocessing.get_context("spawn"),
        )

    def _replace(self, broken: ProcessPool) -> None:
        """Pebble gives a pool up when a worker is killed with nothing to do; what it had not begun may begin anew."""
        if self._pool is broken:
            self._pool = self._new_pool()
            _end(broken)

    def _why_lost(self, exit_code: int) -> str:
        if exit_code == -signal.SIGALRM:
            return f"the decoder hung: no progress for {self.config.stall_seconds} s"
        return f"the decoder crashed ({exit_name(exit_code)})"


def _scheduled(pool: ProcessPool, function: Callable[..., T], args: object, kwargs: object) -> Future[Timed[T]]:
    with interrupts_held():  # the pool's threads begin with the first call
        try:
            future: Future[Timed[T]] = pool.schedule(_timed, args=[function, args, kwargs])
        except RuntimeError as error:  # this is how a pool that was given up says so
            raise BrokenProcessPool(str(error)) from error
    return future


def _is_cancelled() -> bool:
    """Whether it is the caller that is cancelled, and not what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def progress() -> None:
    """Tell the kernel's alarm that a worker is getting on; does nothing elsewhere."""
    if _stall_seconds:
        signal.alarm(_stall_seconds)


def _set_limits(memory_bytes: int, stall_seconds: int, device: str) -> None:
    global _stall_seconds
    _stall_seconds = stall_seconds
    # CUDA reserves far more addresses than it uses.
    limited = resource.RLIMIT_AS if device == CPU else resource.RLIMIT_DATA
    resource.setrlimit(limited, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The default action ends the process at once: a handler would wait for the decoder to return.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _timed(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> Timed[T]:
    progress()
    started = time.perf_counter()
    try:
        with call_scope() as notes:
            value = function(*args, **kwargs)
        return Timed(value=value, seconds=time.perf_counter() - started, notes=tuple(notes))
    finally:
        signal.alarm(0)
