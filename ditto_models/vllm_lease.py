"""One server as a pool sees it, and the right to send it one request."""

from __future__ import annotations

import random
from dataclasses import dataclass

import httpx2

from ditto_models.vllm_limit import Limit
from ditto_models.vllm_loop import LoopHome


@dataclass(eq=False)
class Server:
    """One server, as the pool sees it."""

    base_url: str
    limit: Limit
    in_flight: int = 0
    took_last: int = 0
    """Number of the lease that it got last."""
    aside: str = ""
    """Why it gets no calls; empty where it does."""
    aside_since: float = 0.0
    is_told: bool = False
    """Whether its being set aside was told: not where the first look found it well."""
    times_back: int = 0
    """How often it was taken back: a lease from before says nothing new of its health."""
    strikes: int = 0
    """How often it was set aside since it answered a call."""
    faults_in_a_row: int = 0
    busy_in_a_row: int = 0
    resting_until: float = 0.0
    is_watched: bool = False
    has_queue_metric: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Lease:
    """The right to send one request to one server."""

    server: Server
    home: LoopHome
    began: float
    times_back: int

    @property
    def client(self) -> httpx2.AsyncClient:
        """Whose connections lead to the server."""
        return self.home.client(self.server.base_url)


def back_off_seconds(number: int) -> float:
    """How long to wait after that many failures, from .1 to 5 seconds, half of it by chance."""
    return min(5.0, 0.1 * float(1 << min(number, 10))) * random.uniform(0.5, 1)
