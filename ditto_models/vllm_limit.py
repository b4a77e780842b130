"""How many calls a server gets at a time: additive increase, multiplicative decrease, by what the server lets be seen.

vLLM takes every request and queues what it cannot run, so it may never answer 429: the length of its queue is the
signal. The rule is that of Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in
computer networks" (1989), with one decrease for a round of calls as in TCP.
"""

from __future__ import annotations

QUEUE_CUT = 0.85
"""Of a limit at which requests queue: they are only early."""
ARRIVING = 1
"""Requests that may be seen waiting where none queue: one that has just arrived waits for the model's next step."""
REFUSED_CUT = 0.5
"""Of a limit at which the server refused or did not answer in time."""


class Limit:
    """The limit of one server; `now` is any clock in seconds that does not go back."""

    def __init__(self, first: int, most: int) -> None:
        self._most = most
        self._value = float(first)
        self._cut_at = float("-inf")
        self._waiting = 0

    @property
    def calls(self) -> int:
        """How many may be under way; at least 1."""
        return int(self._value)

    def answered(self, in_flight: int) -> None:
        """A call was answered while so many were under way, itself among them: one more a round, if all were used."""
        if in_flight >= self.calls and self._waiting <= ARRIVING:
            self._value = min(self._value + 1 / self.calls, float(self._most))

    def refused(self, began: float, now: float) -> None:
        """A call that began then was refused or late. Those that began before the last cut tell nothing new."""
        if began >= self._cut_at:
            self._cut(REFUSED_CUT, now)

    def read_queue(self, waiting: int, in_flight: int, now: float) -> None:
        """The server says how many requests wait.

        One reading of a queue stops the growth, a second one in a row cuts. While more calls are under way than the
        limit allows, the last cut has yet to show.
        """
        queued_before = self._waiting > ARRIVING
        self._waiting = waiting
        if waiting > ARRIVING and queued_before and in_flight <= self.calls:
            self._cut(QUEUE_CUT, now)

    def _cut(self, factor: float, now: float) -> None:
        self._value = max(1.0, self._value * factor)
        self._cut_at = now
