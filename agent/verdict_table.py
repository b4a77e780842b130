"""A verdict as a table for people: each axis, its score, its threshold and what was measured."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memory.sample import AxisVerdict, Verdict

MARKS = {True: ("pass", "green"), False: ("FAIL", "red"), None: ("not judged", "dim")}
UNSCORED = "unscored: neither accepted nor rejected, for an axis that the instruction needs could not be assessed"


def print_verdict(console: Console, title: str, verdict: Verdict) -> None:
    """One line with the decision and the rule behind it, then one line an axis."""
    reasons = f": {', '.join(verdict.reasons)}" if verdict.reasons else ""
    console.print(Text(f"{title}: {verdict.decision} by rule {verdict.rule}{reasons}", style="bold"))
    if verdict.decision == "unscored":
        console.print(Text(UNSCORED, style="magenta"))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("axis", "score", "threshold", ""):
        table.add_column(column, no_wrap=True)
    table.add_column("why", overflow="fold")
    for axis, score in verdict.scores.items():
        table.add_row(axis, *_cells(score))
    console.print(table)


def _cells(score: AxisVerdict) -> tuple[str, str, Text, Text]:
    mark, style = MARKS[score.passed] if score.counted else ("not counted", "dim")
    value = "-" if score.value is None else f"{score.value:.2f}"
    return value, f"{score.threshold:.2f}", Text(mark, style=style), Text(_why(score))


def _why(score: AxisVerdict) -> str:
    return f"{score.reason} [{score.combined}]" if score.combined else score.reason
