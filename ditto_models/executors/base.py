"""Where models run: one protocol, so that tools do not know whether it is a thread, a process or a cluster."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Timed(Generic[T]):
    """What a model returned, and the seconds it took, waiting for its turn left out."""

    value: T
    seconds: float
    gpu_seconds: float = 0.0
    """Of them, while a GPU was held."""
    notes: tuple[str, ...] = ()
    """What the model had to say of how it went."""


class WorkerLost(RuntimeError):
    """A call was lost with its worker: it crashed, hung or took too much memory. Another worker takes its place."""


def exit_name(exit_code: int) -> str:
    """How a process ended, in a word: its signal, or its exit code."""
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


class Executor(Protocol):
    """Runs model calls, so many at a time."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` elsewhere; what it raises is raised here."""
        ...

    def close(self) -> None:
        """Wait for what is under way, then free the workers."""
        ...
