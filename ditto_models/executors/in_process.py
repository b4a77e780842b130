"""The plain executor: threads of this process. NumPy, OpenCV and the runtimes of networks free the interpreter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ditto_models.executors.base import Timed
from ditto_models.executors.of_call import call_scope
from ditto_models.executors.spent import Clock

P = ParamSpec("P")
T = TypeVar("T")


def _none_held() -> bool:
    return False


class InProcessExecutor:
    """Runs model calls on `workers` threads; `holds_gpu` is asked after each whether its seconds were a GPU's."""

    def __init__(self, workers: int, holds_gpu: Callable[[], bool] = _none_held) -> None:
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="model")
        self._holds_gpu = holds_gpu

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` on a thread; what it raises is raised here.

        Cancelled, it never begins or is told to stop (`stop_if_cancelled`).
        """
        given_up, clock = threading.Event(), Clock(self._holds_gpu)

        def timed() -> Timed[T]:
            clock.begin()
            try:
                with call_scope(given_up.is_set) as notes:
                    value = function(*args, **kwargs)
            finally:
                clock.end()
            return Timed(value=value, seconds=clock.seconds, gpu_seconds=clock.gpu_seconds, notes=tuple(notes))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, timed)
        except BaseException:
            given_up.set()
            clock.was_in_vain()
            raise

    def close(self) -> None:
        """Wait for what is under way; what still waits for its turn is dropped."""
        self._threads.shutdown(cancel_futures=True)
