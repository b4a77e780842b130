"""What was said to served models for one sample: the list of calls, and the exact request of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.command import CommandError, CommandFailed
from agent.model_calls import RequestLost, exact_request
from agent.plain import plain
from memory.artifacts import ArtifactStore
from memory.sample import Event, ModelCall

ANSWER_SHOWN = 300
"""Characters; --json has more."""


def print_calls(console: Console, events: Sequence[Event]) -> None:
    """Every call, by the event that it was made for, and what they took together."""
    calls = [call for event in events for call in event.calls]
    if not calls:
        console.print("no served model was asked for this sample")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("call", "purpose", "tokens", "seconds", "waited", "answer, and what went wrong on the way"):
        table.add_column(column, overflow="fold")
    for event in events:
        for number, call in enumerate(event.calls, 1):
            tokens = f"{call.prompt_tokens}+{call.answer_tokens}"
            times = f"{call.seconds:.2f}", f"{call.waited_seconds:.2f}"
            table.add_row(f"{event.seq}.{number}", Text(call.purpose), tokens, *times, Text(_came(call)))
    console.print(table)
    read, written = sum(call.prompt_tokens for call in calls), sum(call.answer_tokens for call in calls)
    served = sorted({f"{call.model} at {call.server}" for call in calls})
    said = f"{len(calls)} calls, {read} tokens read, {written} written; {', '.join(served)}"
    console.print(Text(plain(said)))


def _came(call: ModelCall) -> str:
    answer = call.answer if len(call.answer) <= ANSWER_SHOWN else f"{call.answer[:ANSWER_SHOWN]}..."
    lines = [*(f"fault: {fault}" for fault in call.faults), *([f"gave up: {call.error}"] if call.error else [])]
    return "\n".join([answer, *lines] if answer else lines)


def request_of(events: Sequence[Event], name: str, run: Path) -> bytes:
    """The body of one call, named SEQ.N as the list has it.

    Raises:
        CommandError: there is no such call.
        CommandFailed: its request was not kept, or is damaged.
    """
    calls = {f"{event.seq}.{number}": call for event in events for number, call in enumerate(event.calls, 1)}
    if name not in calls:
        known = f"{next(iter(calls))} to {next(reversed(calls))}" if calls else "none"
        raise CommandError(f"--request {name!r} is no call of this sample; expected one that --calls lists ({known})")
    try:
        return exact_request(calls[name], ArtifactStore(run / "artifacts"))
    except RequestLost as error:
        raise CommandFailed(str(error)) from error
