"""How findings are shown: in groups on a terminal, as plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.preflight.findings import Finding, Status, counts

STYLES: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def print_findings(console: Console, title: str, findings: Sequence[Finding]) -> None:
    """Everything that was found, and a summary in a line."""
    if console.is_terminal:
        console.print(Text(title, style="italic"))
        for of, group in groupby(findings, key=lambda finding: finding.of):
            console.print(Text(of, style="bold"))
            console.print(_table(list(group)))
    else:
        for finding in findings:
            console.print(_line(finding), markup=False, highlight=False, soft_wrap=True)
    tally = counts(findings)
    style: Status = "fail" if tally["fail"] else "warn" if tally["warn"] else "ok"
    summary = f"{tally['ok']} ok, {tally['warn']} to look at, {tally['fail']} to mend"
    console.print(Text(summary, style=STYLES[style]), highlight=False)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(width=4, no_wrap=True)
    table.add_column(width=9, no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        found = Text(finding.found)
        if finding.needed:
            found.append(f"; needs {finding.needed}")
        if finding.change:
            found.append(f"\n-> {finding.change}", style="cyan")
        table.add_row("", Text(finding.status, style=STYLES[finding.status]), finding.check, found)
    return table


def _line(finding: Finding) -> str:
    needed = f"; needs {finding.needed}" if finding.needed else ""
    change = f"; {finding.change}" if finding.change else ""
    return f"{finding.status:4} {finding.of} {finding.check}: {finding.found}{needed}{change}"
