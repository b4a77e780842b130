"""What a person sees of a campaign: a live table on a terminal, plain lines elsewhere, and a summary at the end."""

from __future__ import annotations

import time
from collections import Counter

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agent.diversity import Diversity
from memory.sample import Sample

_STYLES = {
    "accepted": "green",
    "rejected": "yellow",
    "failed": "red",
    "quarantined": "red",
    "unscored": "magenta",
    "private": "blue",
}


class PlainReporter:
    """One line a step, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def began(self, sample: Sample) -> None:
        """A sample was begun or resumed."""
        self._line(sample, f"begun at stage {sample.stage}")

    def stepped(self, sample: Sample, note: str) -> None:
        """A sample went one step on."""
        self._line(sample, note)

    def ended(self, sample: Sample) -> None:
        """A sample came to its decision, or was parked."""
        reasons = f" ({', '.join(sample.reasons)})" if sample.reasons else ""
        self._line(sample, f"{_ended_as(sample).upper()}{reasons}")

    def _line(self, sample: Sample, text: str) -> None:
        self._console.print(f"{sample.id}  {text}", markup=False, highlight=False, soft_wrap=True)


class LiveReporter:
    """A table of the samples under way, above it the count of accepted pairs; use as a context manager."""

    def __init__(self, console: Console, target: int, accepted: int) -> None:
        self._target = target
        self._counts: Counter[str] = Counter()
        self._accepted_before = accepted
        self._running: dict[str, tuple[Sample, str]] = {}
        self._begun_at = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._table)
        self._console = console

    def __enter__(self) -> LiveReporter:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def began(self, sample: Sample) -> None:
        """A sample was begun or resumed."""
        self._running[sample.id] = (sample, "begun")

    def stepped(self, sample: Sample, note: str) -> None:
        """A sample went one step on."""
        self._running[sample.id] = (sample, note)

    def ended(self, sample: Sample) -> None:
        """A sample came to its decision, or was parked."""
        self._running.pop(sample.id, None)
        decision = sample.decision or "parked"
        if sample.decision:  # one that was parked may come back
            self._counts[decision] += 1
        text = sample.instruction.text if sample.instruction else "-"
        why = f" ({', '.join(sample.reasons)})" if sample.reasons else ""
        line = Text.assemble((f"{decision:<11} ", _STYLES.get(decision, "cyan")), f"{sample.id}  {text}", (why, "dim"))
        self._console.print(line, soft_wrap=True)

    def _table(self) -> Table:
        accepted = self._accepted_before + self._counts["accepted"]
        seconds = time.monotonic() - self._begun_at
        pace = f"{seconds / self._counts['accepted']:.0f} s a pair" if self._counts["accepted"] else "-"
        table = Table.grid(padding=(0, 2))
        table.add_row(
            Text(f"{accepted} of {self._target} pairs", style="bold green"),
            ProgressBar(total=self._target, completed=accepted, width=24),
            Text(f"{sum(self._counts.values())} samples, {pace}, {seconds:.0f} s"),
        )
        for sample, note in self._running.values():
            table.add_row(
                Text(sample.id, style="cyan"), Text(sample.stage), Text(note, overflow="ellipsis", no_wrap=True)
            )
        return table


def _ended_as(sample: Sample) -> str:
    return sample.decision or ("waits" if sample.stage == "awaiting_person" else "parked")


def summary(
    counts: dict[str, int], reasons: Counter[str], edit_types: Counter[str], seconds: float, variety: Diversity
) -> Table:
    """The end of a session: decisions, why samples were dropped, what was made and how varied it is."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    decided = ", ".join(f"{count} {decision}" for decision, count in counts.items()) or "none"
    table.add_row("samples", decided)
    if reasons:
        table.add_row("why dropped", ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(6)))
    if edit_types:
        table.add_row("edit types", ", ".join(f"{kind} {count}" for kind, count in edit_types.most_common()))
    for name, line in zip(("diversity", ""), variety.lines(), strict=False):
        table.add_row(name, line)
    accepted = counts.get("accepted", 0)
    pace = f", {seconds / accepted:.1f} s an accepted pair" if accepted else ""
    table.add_row("models", f"{seconds:.1f} s{pace}")
    return table
