"""What calls cost that gave nothing: they failed, were lost or were cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(kw_only=True)
class Spent:
    """Seconds, and of them those of a GPU."""

    seconds: float = 0.0
    gpu_seconds: float = 0.0


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def spent_in_vain() -> Iterator[Spent]:
    """What calls cost within the block that raised there; those that gave something say it themselves (`Timed`)."""
    spent = Spent()
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)


class Clock:
    """Measures a call from the moment that it has its turn, in whatever thread that is."""

    def __init__(self, holds_gpu: Callable[[], bool]) -> None:
        self._holds_gpu = holds_gpu
        self._began: float | None = None
        self._ended: float | None = None

    def begin(self) -> None:
        """Its turn has come."""
        self._began = time.perf_counter()

    def end(self) -> None:
        """It is over."""
        self._ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        """So far."""
        return 0.0 if self._began is None else (self._ended or time.perf_counter()) - self._began

    @property
    def gpu_seconds(self) -> float:
        """Of them, while a GPU was held."""
        return self.seconds if self._holds_gpu() else 0.0

    def was_in_vain(self) -> None:
        """Its call raised: let whoever pays know."""
        if spent := _spent.get():
            seconds = self.seconds
            spent.seconds += seconds
            spent.gpu_seconds += seconds if self._holds_gpu() else 0.0
