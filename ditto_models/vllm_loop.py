"""What a pool of servers has in one event loop: connections and background tasks, which end with the loop."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Coroutine
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2

IDLE_SECONDS = 4.0
"""That an unused connection is kept: vLLM drops it after 5, and a request that meets the drop would be lost."""
CONNECT_SECONDS = 10.0
CONNECTIONS = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_SECONDS)
"""The pool counts calls; a second limit below it would only hide the queue."""


class LoopHome:
    """Connections and tasks of one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._clients: dict[bool, httpx2.AsyncClient] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.start(self._close_with_the_loop())

    def client(self, base_url: str) -> httpx2.AsyncClient:
        """The client for an address: a server on this machine is never asked through a proxy."""
        by_environment = not is_loopback(base_url)
        if by_environment not in self._clients:
            self._clients[by_environment] = httpx2.AsyncClient(trust_env=by_environment, limits=CONNECTIONS)
        return self._clients[by_environment]

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run something beside the calls, until it ends or the loop does."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the tasks and close the connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close_with_the_loop(self) -> None:
        """`asyncio.run` cancels what still runs when it ends: the moment to close connections."""
        try:
            await self.loop.create_future()
        finally:
            for client in self._clients.values():
                await client.aclose()


def is_loopback(base_url: str) -> bool:
    """Whether an address is of this machine itself."""
    host = urlsplit(base_url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")
