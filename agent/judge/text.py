"""Many judged pairs, told on a terminal: counts, reasons, each axis, the worst pairs, and what could not be read."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.judge.judged import Judged
from agent.judge.tally import Axis, Tally
from agent.verdict_table import UNSCORED

SHOWN = 10
STYLES = {"accepted": "green", "rejected": "red", "unscored": "magenta", "unreadable": "yellow"}


def print_tally(console: Console, tally: Tally, num_rows: int, stopped: bool) -> None:
    """The report as text."""
    counts = [Text(f"{count} {outcome}", style=STYLES[outcome]) for outcome, count in tally.counts.items()]
    pairs = "1 pair: " if tally.num_judged == 1 else f"{tally.num_judged} pairs: "
    console.print(Text(pairs, style="bold") + Text(", ").join(counts))
    if stopped:
        console.print(Text(f"stopped: {num_rows - tally.num_judged} of {num_rows} were not judged", style="bold red"))
    if tally.counts["unscored"]:
        console.print(Text(UNSCORED, style="magenta"))
    if tally.reasons:
        why = ", ".join(f"{axis} {count}" for axis, count in tally.reasons.most_common())
        console.print(Text(f"reasons: {why}"))
    if tally.axes:
        console.print()
        console.print(_axes(tally.axes))
    _print_worst(console, tally.worst[:SHOWN])
    _print_unreadable(console, tally)


def _axes(axes: dict[str, Axis]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("axis", no_wrap=True)
    for column in ("mean", "threshold", "passed", "failed", "not assessed"):
        table.add_column(column, justify="right")
    for name, axis in axes.items():
        mean = "-" if axis.mean is None else f"{axis.mean:.2f}"
        failed = Text(str(axis.failed), style="red" if axis.failed else "")
        table.add_row(name, mean, f"{axis.threshold:.2f}", str(axis.passed), failed, str(axis.null))
    return table


def _print_worst(console: Console, worst: list[Judged]) -> None:
    if worst:
        console.print()
        console.print(Text("least margin over a threshold, the worst first", style="bold"))
    for judged in worst:
        if judged.nearest:
            margin, axis = judged.nearest
            decision = Text(f"{judged.decision:<9}", style=STYLES[judged.decision])
            console.print(Text(f"{margin:+.2f} {axis:<19}  ") + decision + Text(f"  {judged.id}"), soft_wrap=True)
            console.print(Text(f"      {judged.instruction}", style="dim"), soft_wrap=True)


def _print_unreadable(console: Console, tally: Tally) -> None:
    if not tally.counts["unreadable"]:
        return
    console.print()
    console.print(Text("unreadable", style="bold yellow"))
    for judged in tally.unreadable[:SHOWN]:
        console.print(Text(f"{judged.id}: {judged.reasons[0]}"), soft_wrap=True)
    if (more := tally.counts["unreadable"] - SHOWN) > 0:
        console.print(Text(f"and {more} more", style="dim"))
