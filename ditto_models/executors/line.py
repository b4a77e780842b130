"""Calls that wait for a worker: so many at a time, first come first served, but rather where their network is warm."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from ditto_models.executors.base import Timed
from ditto_models.executors.parcels import Parcel
from ditto_models.executors.spent import Clock

MOST_OVERTAKEN = 4
"""Times that a call may see later ones go first, because their network is warm and its own is not."""


class HasNetworks(Protocol):
    """What the line must know of a worker."""

    @property
    def loaded(self) -> frozenset[str]:
        """Keys of the networks that are warm in it."""
        ...


W = TypeVar("W", bound=HasNetworks)


@dataclass(eq=False, kw_only=True)
class Call:
    """A call that waits or runs."""

    key: str
    """Of its network; empty where it has none."""
    parcel: Parcel
    result: Future[Timed[Any]] = field(default_factory=Future)
    given_up: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(default_factory=lambda: Clock(lambda: False))
    num_overtaken: int = 0
    notes: list[str] = field(default_factory=list)
    """Of workers that it was tried on in vain."""

    def begin(self) -> bool:
        """Whether anyone still waits for it; it may begin again where its worker is gone."""
        return not self.given_up.is_set() and (self.result.running() or self.result.set_running_or_notify_cancel())


class Line(Generic[W]):
    """Calls, and the workers that have nothing to do. For several threads."""

    def __init__(self, places: int) -> None:
        self._changed = threading.Condition()
        self._places = places
        self._outside: deque[Future[None]] = deque()
        self._waiting: list[Call] = []
        self._idle: list[W] = []
        self._closed: Exception | None = None

    def enter(self) -> Future[None]:
        """Done once there is a place, which is kept until the call begins, or until `leave`."""
        admitted: Future[None] = Future()
        with self._changed:
            self._outside.append(admitted)
            self._admit()
        return admitted

    def leave(self) -> None:
        """Free a place that no call took."""
        with self._changed:
            self._places += 1
            self._admit()

    def append(self, call: Call) -> None:
        """Let a call wait in the place that was kept for it.

        Raises:
            Exception: that which the line was closed with.
        """
        with self._changed:
            if self._closed:
                raise self._closed
            self._waiting.append(call)
            self._changed.notify_all()

    def put_back(self, call: Call) -> None:
        """Let a call wait again whose worker is gone, before all others."""
        with self._changed:
            self._places -= 1
            self._waiting.insert(0, call)
            self._changed.notify_all()

    def give_up(self, call: Call) -> None:
        """Nobody waits for this call any more; if it has not begun it never will."""
        call.given_up.set()
        with self._changed:
            if call in self._waiting:
                self._waiting.remove(call)
                self.leave()

    def take(self, worker: W) -> Call | None:
        """The next call for a worker with nothing to do, as soon as there is one; None once the line is closed."""
        with self._changed:
            self._idle.append(worker)
            try:
                while not self._closed:
                    if (call := self._for(worker)) is None:
                        self._changed.wait()
                    elif self._taken(call):
                        return call
                return None
            finally:
                self._idle.remove(worker)
                self._changed.notify_all()  # what was left to this worker may now go to another

    def close(self, error: Exception) -> None:
        """Fail what waits and what still comes with an error, and let the workers go."""
        with self._changed:
            self._closed = error
            for call in self._waiting:
                if call.begin():
                    call.result.set_exception(error)
            self._places += len(self._waiting)
            self._waiting.clear()
            self._admit()
            self._changed.notify_all()

    def _taken(self, call: Call) -> bool:
        place = self._waiting.index(call)
        for earlier in self._waiting[:place]:
            earlier.num_overtaken += 1
        self._waiting.remove(call)
        self.leave()
        return call.begin()

    def _admit(self) -> None:
        while self._places and self._outside:
            admitted = self._outside.popleft()
            if admitted.set_running_or_notify_cancel():
                admitted.set_result(None)
                self._places -= 1

    def _for(self, worker: W) -> Call | None:
        """The call that this worker should have, unless another idle one is better for it."""
        late = [call for call in self._waiting if call.num_overtaken >= MOST_OVERTAKEN]
        calls = late or sorted(self._waiting, key=lambda call: call.key not in worker.loaded)
        return next((call for call in calls if self._best(call) is worker), None)

    def _best(self, call: Call) -> W:
        """Of the idle workers one with the network warm, else the one with the fewest, so that they settle."""
        return min(self._idle, key=lambda worker: (call.key not in worker.loaded, len(worker.loaded)))
