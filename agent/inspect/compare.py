"""agent.inspect RUN --compare OTHER: two runs side by side in the terminal, or as JSON; the studio has the pictures."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.command import CommandError
from agent.compare import Comparison, Share, Side, compare
from memory.ledger import Ledger
from memory.listing import Filter

MOST_SHOWN = 20
"""Disagreements printed; all stand in the JSON."""


def print_comparison(first: Ledger, run: Path, other: Path, as_json: bool) -> None:
    """Hold a run against another one; conversations are left out, because a person decides there.

    Raises:
        CommandError: the other is no run.
    """
    path = other / "ledger.sqlite"
    if not path.is_file():
        raise CommandError(f"{str(other)!r} is not a run: it has no ledger.sqlite; give the --out of agent.run")
    wanted = Filter(conversation=False)
    with closing(Ledger(path, read_only=True)) as second:
        found = compare(first.outcomes(wanted), second.outcomes(wanted))
    if as_json:
        print(json.dumps({"runs": [str(run), str(other)], **found.as_json()}, indent=1))
    else:
        _print(found, run, other)


def _print(found: Comparison, run: Path, other: Path) -> None:
    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", run.name, other.name):
        table.add_column(Text(column), overflow="fold")
    one, two = found.first, found.second
    table.add_row("accepted of those decided", _told(one.acceptance), _told(two.acceptance))
    table.add_row("model seconds for an accepted pair", _seconds(one), _seconds(two))
    for reason in sorted({*one.reasons, *two.reasons}):
        table.add_row(Text(f"reason {reason}"), str(one.reasons.get(reason, 0)), str(two.reasons.get(reason, 0)))
    for axis in dict.fromkeys([*one.axes, *two.axes]):
        means = (side.axes[axis].mean if axis in side.axes else None for side in (one, two))
        table.add_row(Text(f"mean {axis}"), *("-" if mean is None else f"{mean:.2f}" for mean in means))
    for edit_type in sorted({*one.edit_types, *two.edit_types}):
        table.add_row(Text(edit_type), *(_told(side.edit_types.get(edit_type)) for side in (one, two)))
    console.print(table)
    difference = found.difference
    if difference.value is not None and difference.interval:
        low, high = (100 * bound for bound in difference.interval)
        console.print(f"difference {100 * difference.value:+.1f} points ({low:+.1f} to {high:+.1f})", highlight=False)
    console.print(difference.words, highlight=False)
    apart = found.disagreements
    console.print(f"they disagree on {len(apart)} of {len(found.matches)} samples of the same clip", highlight=False)
    for each in apart[:MOST_SHOWN]:
        alike = "same instruction" if each.same_instruction else "same edit type"
        line = f"  {each.first.id} {each.first.decision}, {each.second.id} {each.second.decision} ({alike})"
        console.print(line, highlight=False, markup=False)


def _told(share: Share | None) -> str:
    if share is None or share.value is None or share.interval is None:
        return "-"
    low, high = share.interval
    return f"{share.value:.0%} ({low:.0%} to {high:.0%}, n = {share.of})"


def _seconds(side: Side) -> str:
    return "-" if side.seconds_per_pair is None else f"{side.seconds_per_pair:.1f}"
