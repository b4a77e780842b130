"""In whose name a call waits for a served model: a graph runs its nodes in tasks that only the graph may cancel."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

_owner: ContextVar[asyncio.Task[object] | None] = ContextVar("owner_of_waits", default=None)


def own_waits() -> None:
    """From now on, calls of this task and of tasks that it starts wait in this task's name: cancel it to end them."""
    _owner.set(asyncio.current_task())


def owner_of_waits() -> asyncio.Task[object] | None:
    """The task in whose name the running one waits: itself, unless a task above it owns its waits."""
    return _owner.get() or asyncio.current_task()
