"""A worker process seen from its owner: started when it is needed, replaced when it is lost."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import cast

from ditto_models.executors.base import WorkerLost, exit_name
from ditto_models.executors.devices import Device
from ditto_models.executors.interrupts import interrupts_held
from ditto_models.executors.parcels import Parcel, opened, receive
from ditto_models.executors.worker_process import Outcome, RemoteError, serve

GLANCE_SECONDS = 0.1
"""Between looks at whether a call was given up, and whether its worker lives; an answer is seen at once."""
LEAVE_SECONDS = 5.0
"""For a process that is let go to end."""
STARTS = 3
"""In which a call may fail to begin, before it is given up."""


class Crashed(WorkerLost):
    """The worker ended by itself, which need not be the call's doing."""


class Worker:
    """At most one process at a time, on a device of its own. For one thread."""

    def __init__(
        self, device: Device, environment: Mapping[str, str], call_seconds: float, grace_seconds: float
    ) -> None:
        self.device = device
        self.loaded: frozenset[str] = frozenset()
        """Keys of the networks that are warm in it."""
        self.hurry = threading.Event()
        """Set where calls that were given up get no time to stop."""
        self._environment = environment
        self._call_seconds = call_seconds
        self._grace_seconds = grace_seconds
        self._running: _Running | None = None

    def call(self, parcel: Parcel, given_up: threading.Event) -> Outcome:
        """Have a call carried out. Once it is given up it is told to stop between two steps, and killed if it does not.

        Raises:
            Crashed: the process ended by itself.
            WorkerLost: the call took too long, or did not stop.
        """
        running = self._sent(parcel)
        self._wait(running, given_up)
        try:
            answer = receive(running.calls)
        except (EOFError, OSError):
            raise self._crashed() from None
        outcome = _outcome(answer)
        if outcome.is_broken:
            self.end()
            raise Crashed(f"the worker of {self.device} has lost its GPU: {outcome.error}")
        self.loaded = outcome.loaded
        return outcome

    def dismiss(self) -> None:
        """Let the process end by itself where it has nothing to do, so that its libraries clean up behind them."""
        if self._running:
            self._running.calls.close()
            self._running.process.join(LEAVE_SECONDS)
        self.end()

    def end(self) -> None:
        """Kill the process, if there is one; the next call starts another."""
        running, self._running, self.loaded = self._running, None, frozenset()
        if running:
            running.process.kill()
            running.process.join()
            running.calls.close()
            running.control.close()

    def _sent(self, parcel: Parcel) -> _Running:
        for _ in range(STARTS):
            running = self._running = self._running or _Running(self.device, self._environment)
            try:
                parcel.send(running.calls, running.pid)
            except OSError:  # killed with nothing to do
                self.end()
            else:
                running.num_calls += 1
                return running
        raise WorkerLost(f"the worker of {self.device} was killed {STARTS} times before the call began")

    def _wait(self, running: _Running, given_up: threading.Event) -> None:
        """Until there is an answer, or the end of the connection."""
        deadline, told = time.monotonic() + self._call_seconds, False
        while not running.calls.poll(GLANCE_SECONDS):
            if not running.process.is_alive() and not running.calls.poll():
                raise self._crashed()  # something that it started holds its connection open
            if given_up.is_set():
                if not told:
                    told, deadline = True, min(deadline, time.monotonic() + self._grace_seconds)
                    running.give_up()
                if self.hurry.is_set():
                    deadline = 0
            if time.monotonic() > deadline:
                self.end()
                raise WorkerLost(
                    f"the call was cancelled and did not stop within {self._grace_seconds:g} s"
                    if told
                    else f"the worker of {self.device} hung: the call took more than {self._call_seconds:g} s"
                )

    def _crashed(self) -> Crashed:
        running = self._running
        assert running
        running.process.join(GLANCE_SECONDS)
        code = running.process.exitcode
        self.end()
        return Crashed(f"the worker of {self.device} crashed ({exit_name(code) if code is not None else 'no answer'})")


class _Running:
    """A process that runs, and the connections to it, which are its lifeline: it ends when they do."""

    def __init__(self, device: Device, own: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads or CUDA may deadlock
        self.calls, calls = context.Pipe()
        control, self.control = context.Pipe(duplex=False)
        owner = multiprocessing.current_process().pid
        arguments = (calls, control, owner, device, own)
        self.process = context.Process(target=serve, args=arguments, daemon=True, name="network")
        with interrupts_held():
            self.process.start()
        calls.close()
        control.close()
        self.num_calls = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return cast(int, self.process.pid)

    def give_up(self) -> None:
        """Tell it that nobody waits for its call."""
        _tell(self.control, self.num_calls)


def _tell(control: Connection, number: int) -> None:
    try:
        control.send(number)
    except OSError:
        return  # it has just ended, as is seen elsewhere


def _outcome(answer: list[memoryview]) -> Outcome:
    try:
        return cast(Outcome, opened(answer))
    except Exception as error:
        raise RemoteError(f"what the worker gave back cannot be read here: {type(error).__name__}: {error}") from error
