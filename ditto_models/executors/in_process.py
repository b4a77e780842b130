"""The plain executor: threads of this process. NumPy, OpenCV and the runtimes of networks free the interpreter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ditto_models.executors.base import Timed
from ditto_models.executors.of_call import call_scope

P = ParamSpec("P")
T = TypeVar("T")


class InProcessExecutor:
    """Runs model calls on `workers` threads."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="model")

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` on a thread; what it raises is raised here."""

        def timed() -> Timed[T]:
            started = time.perf_counter()
            with call_scope() as notes:
                value = function(*args, **kwargs)
            return Timed(value=value, seconds=time.perf_counter() - started, notes=tuple(notes))

        return await asyncio.get_running_loop().run_in_executor(self._threads, timed)

    def close(self) -> None:
        """Wait for what is under way; what still waits for its turn is dropped."""
        self._threads.shutdown(cancel_futures=True)
