"""What a pool of servers has in one event loop: connections and background tasks, which end with the loop."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2

IDLE_SECONDS = 4.0
"""That an unused connection is kept: vLLM drops it after 5, and a request that meets the drop would be lost."""
CONNECT_SECONDS = 10.0
CONNECTIONS = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_SECONDS)
"""The pool counts calls; a second limit below it would only hide the queue."""


class LoopHome:
    """Connections and tasks of one event loop; made by `open`."""

    def __init__(self, clients: dict[bool, httpx2.AsyncClient], closing: AsyncGenerator[None]) -> None:
        self.loop = asyncio.get_running_loop()
        self._clients = clients
        self._closing = closing
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls) -> LoopHome:
        """The home in the running event loop. Nothing is connected yet."""
        clients: dict[bool, httpx2.AsyncClient] = {}
        closing = _closing(clients)
        await anext(closing)
        return cls(clients, closing)

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
        await self._closing.aclose()


async def _closing(clients: Mapping[bool, httpx2.AsyncClient]) -> AsyncGenerator[None]:
    """Once begun, it closes the clients when it is closed or dropped: an event loop closes all that it knows of when it
    ends, which nothing else of the library can wait for."""
    try:
        yield
    finally:
        for client in clients.values():
            await client.aclose()


def is_loopback(base_url: str) -> bool:
    """Whether an address is of this machine itself."""
    host = urlsplit(base_url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")
