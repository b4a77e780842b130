"""Whether the model servers of a run answer, what they serve and how many requests wait: asked briefly, all at once."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.preflight.servers import client_finding
from agent.profile import Profile, ServerGroup
from ditto_models.vllm_servers import KEY

if TYPE_CHECKING:
    from ditto_models.vllm_loop import LoopHome

PATIENCE_SECONDS = 2.5
"""That a server has to answer; one at work answers in milliseconds."""
KEPT_SECONDS = 5.0
"""For which several pages are given the same answer."""
MASK = "*"
"""What a saved configuration holds in place of a key."""


@dataclass(frozen=True, kw_only=True)
class ServerHealth:
    """One address of one group of servers."""

    group: str
    model: str
    """That the run asks for."""
    address: str
    problem: str = ""
    """Why it cannot be used; empty where it can."""
    serves: tuple[str, ...] = ()
    waiting: int | None = None
    """Requests in its queue; None where it does not say."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """What there is to show of a run's servers."""

    servers: tuple[ServerHealth, ...] = ()
    problem: str = ""
    """Why none could be asked."""
    uses_servers: bool = True


@dataclass
class HealthDesk:
    """Looks at servers at most every few seconds, however many pages ask."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: dict[str, tuple[float, Health]] = field(default_factory=dict)

    def of(self, key: str, profile: Profile) -> Health:
        """The health of a run's servers; takes a few seconds at most."""
        with self._lock:
            at, health = self._kept.get(key, (-KEPT_SECONDS, Health()))
            if time.monotonic() - at >= KEPT_SECONDS:
                health = health_of(profile)
                self._kept[key] = time.monotonic(), health
            return health


def health_of(profile: Profile) -> Health:
    """Ask every server that the profile's components would ask."""
    groups = {name: profile.servers[name] for name in sorted(profile.asked_servers()) if name in profile.servers}
    if not groups:
        return Health(uses_servers=False)
    if missing := client_finding(profile):
        return Health(problem=f"servers cannot be asked from here: {missing.found}; {missing.change}")
    try:
        addresses = [(name, group, address) for name, group in groups.items() for address in group.addresses()]
    except ValueError as error:
        return Health(problem=str(error))
    return Health(servers=tuple(asyncio.run(_asked(addresses))))


async def _asked(addresses: list[tuple[str, ServerGroup, str]]) -> list[ServerHealth]:
    from ditto_models.vllm_loop import LoopHome

    home = await LoopHome.open()
    try:
        return list(await asyncio.gather(*(_one(home, *one) for one in addresses)))
    finally:
        await home.close()


async def _one(home: LoopHome, name: str, group: ServerGroup, address: str) -> ServerHealth:
    from ditto_models.vllm_probe import SILENT, look, requests_waiting

    client, key = home.client(address), group.key()
    if set(key) == {MASK}:
        key = os.environ.get(KEY, "") or "none"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            looked = await look(client, address, key, group.model)
    except TimeoutError:
        problem = f"does not answer within {PATIENCE_SECONDS:g} s"
        return ServerHealth(group=name, model=group.model, address=address, problem=problem)
    waiting = None
    if not looked.problem:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                waiting = await requests_waiting(client, address)
        except (TimeoutError, *SILENT):
            waiting = None
    return ServerHealth(
        group=name, model=group.model, address=address, problem=looked.problem, serves=looked.serves, waiting=waiting
    )
