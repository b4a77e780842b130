"""What was said to served models, call by call: a client appends, and whoever runs a step collects for the trace.

The list travels in a context variable, so that a call is kept however its step ends, and no layer between must hand it
on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, kw_only=True)
class ChatCall:
    """One call of a served model, answered or given up."""

    purpose: str
    """Who asked and what for, for example "planner" or "judge.source_preserved"."""
    prompt_hash: str
    """Of the template that its words came from."""
    model: str
    server: str
    """Base address of the server that answered, or was asked last."""
    request: bytes
    """The body as it was sent."""
    answer: bytes
    """The body that came back; empty where none did."""
    status: int | None
    """Of the last answer; None where none came."""
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    """Of the attempt that was answered."""
    waited_seconds: float
    """For a free place, for a server to come back, and between attempts."""
    faults: tuple[str, ...] = ()
    """One line for every attempt that failed."""
    error: str = ""
    """Why it was given up; empty where it was answered."""
    ended: datetime = field(default_factory=lambda: datetime.now(UTC))
    """UTC; a call is made into a record as it ends."""


_recorded: ContextVar[list[ChatCall] | None] = ContextVar("recorded_chat_calls", default=None)


@contextmanager
def recording() -> Iterator[list[ChatCall]]:
    """Collect the calls of this task, and of those it starts, while the block lasts."""
    calls: list[ChatCall] = []
    token = _recorded.set(calls)
    try:
        yield calls
    finally:
        _recorded.reset(token)


def record(call: ChatCall) -> None:
    """Append a call to the list of whoever records; to none where nobody does."""
    calls = _recorded.get()
    if calls is not None:
        calls.append(call)
