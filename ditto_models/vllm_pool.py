"""One or several servers of one model as one: the least loaded healthy server gets the call, a dead one is set aside.

A caller takes a lease, makes one attempt, and says how it went. When no server is left, callers wait without limit;
what the wait may cost is for them to say, by cancelling. Everything that lives in an event loop (connections, probes,
waiting callers) begins with the first lease in it and ends with it; a pool may be used again in a later one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from ditto_models.vllm_faults import Fault
from ditto_models.vllm_lease import Lease, Server, back_off_seconds
from ditto_models.vllm_limit import Limit
from ditto_models.vllm_loop import LoopHome
from ditto_models.vllm_probe import SILENT, Looked, look, problem_of_answering, requests_waiting
from ditto_models.vllm_servers import ServersConfig, ServersError
from ditto_models.waits import owner_of_waits

FAULTS_IN_A_ROW = 2
"""After which a server is set aside until it answers a question of our own. Fewer than a call has tries: so a server
that is broken costs no call, and a request that breaks it is given up alone."""
QUEUE_SECONDS = 0.5
"""Between two looks at a server's queue while it has calls."""
TOLD_REST_SECONDS = 5.0
"""A server's rest that is told; a shorter one stands in the trace of the call only."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Waiter:
    granted: asyncio.Future[Lease]
    task: asyncio.Task[object] | None
    avoid: frozenset[str]


class ServerPool:
    """The servers of one model."""

    def __init__(self, config: ServersConfig) -> None:
        self.config = config
        self.on_change: Callable[[str], None] = logging.getLogger(__name__).warning
        """Told in one line when a server is set aside or taken back, and when callers wait because none is left."""
        self.servers = tuple(
            Server(address, Limit(config.first_concurrency, config.most_concurrency)) for address in config.addresses()
        )
        self._numbers = itertools.count(1)
        self._waiters: dict[_Waiter, None] = {}
        self._home: LoopHome | None = None
        self._told_none = False

    async def check(self) -> None:
        """Look at every server before the work begins; one that cannot be used, while others can, is set aside.

        Raises:
            ServersError: none answers, or none serves the model.
        """
        home = await self._at_home()
        found = await asyncio.gather(*(self._look(home, server) for server in self.servers))
        if all(looked.problem for looked in found):
            raise ServersError(_none_usable(self.config.model, self.servers, found))
        for server, looked in zip(self.servers, found, strict=True):
            if looked.problem and not server.aside:
                self._set_aside(home, server, looked.problem)

    @asynccontextmanager
    async def lease(self, avoid: frozenset[str] = frozenset()) -> AsyncIterator[Lease]:
        """A server for one attempt while the block lasts, waited for in turn; rather none at the addresses `avoid`."""
        lease = await self._take(avoid)
        try:
            yield lease
        finally:
            self._give_back(lease)

    def answered(self, lease: Lease) -> None:
        """The attempt was answered with what was asked for."""
        server = lease.server
        server.limit.answered(server.in_flight)
        server.busy_in_a_row = 0
        if lease.times_back == server.times_back:
            server.strikes = server.faults_in_a_row = 0

    def failed(self, lease: Lease, fault: Fault) -> None:
        """The attempt failed: its server is slowed down, left to rest or set aside, as the fault says."""
        server = lease.server
        if lease.home is not self._home:
            return  # its event loop has ended
        if fault.slow_down:
            server.limit.refused(lease.began, time.monotonic())
        if fault.name == "busy":
            self._rest(lease, fault)
        if server.aside or lease.times_back != server.times_back:
            return
        server.faults_in_a_row += fault.again and fault.is_try
        if fault.suspect or server.faults_in_a_row >= FAULTS_IN_A_ROW:
            self._set_aside(lease.home, server, fault.said)

    def waiting_tasks(self) -> set[asyncio.Task[object]]:
        """The tasks in whose name calls wait for a server to come back (`own_waits`); not those that only queue."""
        now = time.monotonic()
        if any(not server.aside and server.resting_until <= now for server in self.servers):
            return set()
        return {waiter.task for waiter in self._waiters if waiter.task is not None}

    async def close(self) -> None:
        """End the probes and close the connections of this event loop; a later call opens them again."""
        home, self._home = self._home, None
        if home is not None:
            await home.close()

    async def _at_home(self) -> LoopHome:
        if self._home is None or self._home.loop is not asyncio.get_running_loop():
            if self._home is not None and self._home.loop.is_running():
                raise RuntimeError("the pool is in use in another event loop that still runs; give each its own pool")
            self._home = await LoopHome.open()
            self._waiters.clear()
            for server in self.servers:
                server.in_flight, server.is_watched = 0, False
                if server.aside:
                    self._home.start(self._probe(self._home, server))
        return self._home

    async def _take(self, avoid: frozenset[str]) -> Lease:
        home = await self._at_home()
        server = None if self._waiters else self._free_server(avoid)
        if server is not None:
            return self._grant(home, server)
        waiter = _Waiter(granted=home.loop.create_future(), task=owner_of_waits(), avoid=avoid)
        self._waiters[waiter] = None
        self._tell_if_none_is_left()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._waiters.pop(waiter, None)
            if waiter.granted.done() and not waiter.granted.cancelled():
                self._give_back(waiter.granted.result())  # it was granted in the moment of its cancellation
            raise

    def _free_server(self, avoid: frozenset[str]) -> Server | None:
        now = time.monotonic()
        free = [
            server
            for server in self.servers
            if not server.aside and server.resting_until <= now and server.in_flight < server.limit.calls
        ]
        rather = [server for server in free if server.base_url not in avoid] or free
        return min(rather, key=lambda server: (server.in_flight / server.limit.calls, server.took_last), default=None)

    def _grant(self, home: LoopHome, server: Server) -> Lease:
        server.in_flight += 1
        server.took_last = next(self._numbers)
        if server.has_queue_metric and not server.is_watched:
            server.is_watched = True
            home.start(self._watch_queue(home, server))
        return Lease(server=server, home=home, began=time.monotonic(), times_back=server.times_back)

    def _give_back(self, lease: Lease) -> None:
        if lease.home is self._home:
            lease.server.in_flight -= 1
            self._hand_out()

    def _hand_out(self) -> None:
        """Give free servers to those who wait, first come first served."""
        while self._waiters and self._home is not None:
            waiter = next(iter(self._waiters))
            server = self._free_server(waiter.avoid)
            if server is None:
                return
            del self._waiters[waiter]
            if not waiter.granted.done():
                waiter.granted.set_result(self._grant(self._home, server))

    def _rest(self, lease: Lease, fault: Fault) -> None:
        """Leave a busy server alone for as long as it asks; where it does not say, ever longer."""
        server, now = lease.server, time.monotonic()
        if now < server.resting_until and fault.rest_seconds is None:
            return  # it said so to several calls at once
        server.busy_in_a_row += 1
        seconds = back_off_seconds(server.busy_in_a_row) if fault.rest_seconds is None else fault.rest_seconds
        server.resting_until = max(server.resting_until, now + seconds)
        lease.home.loop.call_later(seconds + 0.001, self._hand_out)
        if seconds >= TOLD_REST_SECONDS:
            self.on_change(f"server {server.base_url} is left alone for {seconds:.0f} s: it {fault.said}")

    def _set_aside(self, home: LoopHome, server: Server, why: str) -> None:
        server.aside, server.aside_since, server.is_told = why, time.monotonic(), False
        server.strikes += 1
        home.start(self._probe(home, server))

    async def _probe(self, home: LoopHome, server: Server) -> None:
        """Look at a server that was set aside until it is well: at once, unless a look told nothing before."""
        if server.strikes > 1 or server.faults_in_a_row >= FAULTS_IN_A_ROW:
            self._tell_aside(server)
            await asyncio.sleep(back_off_seconds(server.strikes))
        for number in itertools.count(1):
            looked = await self._look(home, server)
            if not looked.problem:
                self._take_back(server)
                return
            self._tell_aside(server)
            await asyncio.sleep(back_off_seconds(number))

    def _tell_aside(self, server: Server) -> None:
        if not server.is_told:
            server.is_told = True
            self.on_change(f"server {server.base_url} set aside: {server.aside}")
            self._tell_if_none_is_left()

    def _tell_if_none_is_left(self) -> None:
        if self._waiters and not self._told_none and all(server.is_told for server in self.servers):
            self._told_none = True
            self.on_change(f"no server of {len(self.servers)} answers: waiting")

    def _take_back(self, server: Server) -> None:
        was_told, seconds = server.is_told, time.monotonic() - server.aside_since
        server.aside, server.is_told = "", False
        server.times_back += 1
        self._told_none = False
        if was_told:
            self.on_change(f"server {server.base_url} taken back after {seconds:.0f} s")
        self._hand_out()

    async def _look(self, home: LoopHome, server: Server) -> Looked:
        asked = (home.client(server.base_url), server.base_url, self.config.key(), self.config.model)
        looked = await look(*asked)
        if looked.problem or server.faults_in_a_row < FAULTS_IN_A_ROW:
            return looked
        return replace(looked, problem=await problem_of_answering(*asked, self.config.timeout_seconds))

    async def _watch_queue(self, home: LoopHome, server: Server) -> None:
        """While a server has calls, let the length of its queue move its limit."""
        try:
            while server.in_flight:
                await asyncio.sleep(QUEUE_SECONDS)
                await self._read_queue(home, server)
        finally:
            server.is_watched = False

    async def _read_queue(self, home: LoopHome, server: Server) -> None:
        try:
            waiting = await requests_waiting(home.client(server.base_url), server.base_url)
        except SILENT:
            return  # whether it lives is found out by the calls
        if waiting is not None:
            server.limit.read_queue(waiting, server.in_flight, time.monotonic())
            self._hand_out()
        elif server.has_queue_metric:
            server.has_queue_metric = False
            self.on_change(
                f"server {server.base_url} has no vLLM metrics: how many calls it gets at a time "
                "follows refusals and time-outs only"
            )


def _none_usable(model: str, servers: Sequence[Server], found: Sequence[Looked]) -> str:
    problems = "; ".join(f"{server.base_url} {looked.problem}" for server, looked in zip(servers, found, strict=True))
    if any(looked.serves for looked in found):
        return f"no server serves model {model!r}: {problems}; name a model that one serves, or serve {model!r}"
    return (
        f"no server can be used: {problems}; expected model {model!r} there: start one with "
        f"`python -m ditto_models.serve vllm --model {model}`, or say where it is with VLLM_BASE_URL or base_urls"
    )
