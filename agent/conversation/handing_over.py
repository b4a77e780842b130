"""A campaign that begins while a worker of conversations owns the run: the worker ends its steps and makes room.

The campaign then carries the conversations on. The order stays open until the campaign owns the run, so that no other
worker takes the place meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from agent.conversation.worker_log import is_served
from memory.ledger import Ledger
from memory.owner import is_gone, this_process

KIND = "hand_over"
HAND_OVER_SECONDS = 300.0
"""That the worker may take to end its steps; whoever asked that long ago no longer waits."""
GLANCE_SECONDS = 0.1


@contextmanager
def taken_over(run: Path, say: Callable[[str], None]) -> Iterator[Callable[[Ledger], None]]:
    """Wait until no worker of conversations owns the run; at once where none does.

    Gives what is to be called with the ledger once the run is owned; if that does not come to pass, workers may start
    again when the block ends.
    """
    if not is_served(run):
        yield lambda ledger: None
        return
    say("conversations are held in this run: their worker ends its steps, then this campaign carries them on")
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        ledger.add_command({"kind": KIND, "at": datetime.now(UTC).isoformat(), "by": this_process()})
    try:
        until = time.monotonic() + HAND_OVER_SECONDS
        while is_served(run) and time.monotonic() < until:
            time.sleep(GLANCE_SECONDS)
        yield _finish
    finally:
        with closing(Ledger(run / "ledger.sqlite")) as ledger:
            _finish(ledger)


def is_asked_for(ledger: Ledger) -> bool:
    """Whether somebody waits for the run now; those who gave up are answered."""
    waits = False
    for number, payload in _orders(ledger):
        if datetime.now(UTC) - _asked_at(payload) > timedelta(seconds=HAND_OVER_SECONDS):
            ledger.finish_command(number, "refused: it was asked for too long ago")
        elif is_gone(str(payload.get("by", ""))):
            ledger.finish_command(number, "refused: the campaign that asked for it is gone")
        else:
            waits = True
    return waits


def _finish(ledger: Ledger) -> None:
    for number, _ in _orders(ledger):
        ledger.finish_command(number, "done")


def _orders(ledger: Ledger) -> list[tuple[int, dict[str, JsonValue]]]:
    return [(number, payload) for number, payload in ledger.open_commands() if payload.get("kind") == KIND]


def _asked_at(payload: dict[str, JsonValue]) -> datetime:
    return datetime.fromisoformat(str(payload["at"]))
