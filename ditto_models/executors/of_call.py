"""What a model call may do to its surroundings: leave notes for the trace, and see whether anyone still waits for it.

An executor opens the scope round each call that it runs; outside of one, notes go nowhere and nothing is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class CallCancelled(RuntimeError):
    """Nobody waits for this call any more; the model stays loaded."""


def _never() -> bool:
    return False


_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)
_cancelled: ContextVar[Callable[[], bool]] = ContextVar("cancelled", default=_never)


@contextmanager
def call_scope(cancelled: Callable[[], bool] = _never) -> Iterator[list[str]]:
    """The notes of one call, filled while the block lasts; `cancelled` is asked between the steps of the call."""
    notes: list[str] = []
    tokens = _notes.set(notes), _cancelled.set(cancelled)
    try:
        yield notes
    finally:
        _notes.reset(tokens[0])
        _cancelled.reset(tokens[1])


def note(text: str) -> None:
    """Tell the trace something about how this call was carried out, for example that it had to be eased."""
    notes = _notes.get()
    if notes is not None:
        notes.append(text)


def stop_if_cancelled() -> None:
    """To be called between denoising steps.

    Raises:
        CallCancelled: nobody waits for the result.
    """
    if _cancelled.get()():
        raise CallCancelled("the call was cancelled between two of its steps")
