"""An event loop in a thread of its own, for coroutines that threads wait for: calls of served models share one loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs from `with` to its end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._running: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait in this thread for what the coroutine gives back.

        Raises:
            CancelledError: `cancel` was called.
        """
        with self._lock:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._running.add(future)
            if self._ended:
                future.cancel()
        try:
            return future.result()
        finally:
            with self._lock:
                self._running.discard(future)

    def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """As `run`, also after `cancel`: for what must be let go of in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def cancel(self) -> None:
        """Call off what runs, and all that would come."""
        with self._lock:
            self._ended = True
            for future in self._running:
                future.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()
        self.finish(_all_done())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _all_done() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
