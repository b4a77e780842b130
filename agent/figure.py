"""A figure as people see it: a chart, a sentence that says what it shows, and a table of the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One chart with the words and the table that say the same."""

    name: str
    """In addresses and ids."""
    title: str
    says: str
    """What it shows, in a sentence or two."""
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    """Empty: there is nothing to show yet."""
    chart: dict[str, JsonValue] = field(default_factory=dict)
    """For charts.js: kind, labels, series of a name, a colour and values."""
    height: int = 260
    """Pixels."""


def percent(part: float, of: float) -> str:
    """A share in whole percent; a dash of nothing."""
    return f"{100 * part / of:.0f} %" if of else "-"
