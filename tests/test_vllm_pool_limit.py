"""How many calls a server gets at a time: the rule, and what it does to a simulated server."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.vllm_limit import Limit


def test_a_round_of_answers_at_the_limit_allows_one_more() -> None:
    limit = Limit(first=4, most=6)
    for _ in range(3):
        limit.answered(in_flight=4)
    assert limit.calls == 4
    limit.answered(in_flight=4)
    assert limit.calls == 5
    for _ in range(50):
        limit.answered(in_flight=6)
    assert limit.calls == 6


def test_a_limit_that_is_not_used_stays() -> None:
    limit = Limit(first=4, most=64)
    for _ in range(100):
        limit.answered(in_flight=3)
    assert limit.calls == 4


def test_a_queue_seen_twice_cuts_and_seen_once_only_stops_the_growth() -> None:
    limit = Limit(first=8, most=64)
    limit.read_queue(2, in_flight=8, now=1)
    for _ in range(100):
        limit.answered(in_flight=8)
    assert limit.calls == 8
    limit.read_queue(2, in_flight=8, now=2)
    assert limit.calls == 6
    limit.read_queue(2, in_flight=8, now=3)  # calls from before the cut are still under way
    assert limit.calls == 6


def test_a_request_that_has_just_arrived_is_no_queue() -> None:
    limit = Limit(first=8, most=64)
    for now in range(20):
        limit.read_queue(1, in_flight=limit.calls, now=now)
        limit.answered(in_flight=limit.calls)
    assert limit.calls == 10


def test_refusals_of_one_round_cut_once() -> None:
    limit = Limit(first=16, most=64)
    for began in range(16):
        limit.refused(began=began / 100, now=1 + began / 100)
    assert limit.calls == 8
    limit.refused(began=2, now=3)
    assert limit.calls == 4


@given(st.lists(st.tuples(st.sampled_from(["answered", "refused", "queue"]), st.integers(0, 99)), max_size=300))
def test_a_limit_stays_within_its_bounds(happenings: list[tuple[str, int]]) -> None:
    limit = Limit(first=5, most=20)
    for now, (what, number) in enumerate(happenings):
        if what == "answered":
            limit.answered(in_flight=number)
        elif what == "refused":
            limit.refused(began=now - number, now=now)
        else:
            limit.read_queue(number % 3, in_flight=number, now=now)
        assert 1 <= limit.calls <= 20


class Simulated:
    """A server with slots and a queue, calls of about a second, and clients that always have another to make."""

    def __init__(self, slots: int, clients: list[Limit]) -> None:
        self.slots, self.clients = slots, clients
        self.running: list[tuple[float, int]] = []
        self.queue: list[int] = []
        self.in_flight = [0] * len(clients)
        self.done = [0] * len(clients)
        self.tick = 0
        self.seen: list[tuple[int, ...]] = []

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 20)):
            self.tick += 1
            now = self.tick / 20
            while self.running and self.running[0][0] <= now:
                self._end(heapq.heappop(self.running)[1], now)
            self._ask(now)
            if self.tick % 10 == 0:
                for client, limit in enumerate(self.clients):
                    limit.read_queue(len(self.queue), self.in_flight[client], now)
                self.seen.append(tuple(limit.calls for limit in self.clients))

    def _end(self, client: int, now: float) -> None:
        self.clients[client].answered(self.in_flight[client])
        self.in_flight[client] -= 1
        self.done[client] += 1
        self._ask(now)

    def _ask(self, now: float) -> None:
        for client, limit in enumerate(self.clients):
            while self.in_flight[client] < limit.calls:
                self.in_flight[client] += 1
                self.queue.append(client)
        while self.queue and len(self.running) < self.slots:
            # Not all of one length, or they would march in step.
            heapq.heappush(self.running, (now + 0.8 + 0.05 * (self.tick % 9), self.queue.pop(0)))

    def most_done(self, seconds: float) -> float:
        """What clients without a limit would get of it: a call takes a second, and is seen to end at the next tick."""
        return self.slots * seconds / 1.025


@pytest.mark.parametrize("first", [1, 8, 64])
@pytest.mark.parametrize("slots", [4, 32])
def test_a_server_is_kept_busy_and_its_queue_short(first: int, slots: int) -> None:
    limit = Limit(first, most=256)
    server = Simulated(slots, [limit])
    server.run(120)
    before = server.done[0]
    server.seen.clear()
    server.run(120)
    assert server.done[0] - before >= 0.95 * server.most_done(120)
    assert max(calls for [calls] in server.seen) <= 1.1 * slots + 3


def test_two_clients_of_one_server_come_to_share_it() -> None:
    early, late = Limit(40, most=256), Limit(2, most=256)
    server = Simulated(32, [early, late])
    server.run(400)
    lately = server.seen[-400:]
    shares = [sum(calls[client] for calls in lately) for client in (0, 1)]
    assert 0.5 < shares[0] / shares[1] < 2
