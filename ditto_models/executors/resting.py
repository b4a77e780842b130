"""An executor that can rest: its workers end and its networks are freed, until the next call brings both back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ditto_models.executors.base import Executor, Timed
from ditto_models.gpu.network import all_networks

P = ParamSpec("P")
T = TypeVar("T")


class RestingExecutor:
    """Runs calls on the executor that `build` makes, anew after each rest."""

    def __init__(self, build: Callable[[], Executor]) -> None:
        """Raises what `build` does."""
        self._build = build
        self._inner: Executor | None = build()

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` there; what it raises is raised here, and what `build` does where it rested."""
        if self._inner is None:
            self._inner = self._build()
        return await self._inner.run(function, *args, **kwargs)

    async def rest(self) -> None:
        """Free what is held of GPUs, here and in workers, once what is under way has ended."""
        inner, self._inner = self._inner, None
        if inner:
            await asyncio.to_thread(inner.close)
        for network in all_networks():
            if network.is_loaded:
                await asyncio.to_thread(network.unload)

    def close(self) -> None:
        """Wait for what is under way, then free the workers."""
        if self._inner:
            self._inner.close()
