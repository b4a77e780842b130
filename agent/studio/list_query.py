"""A list's filter as the query of an address, so that a list can be shared and a sample knows which list it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args
from urllib.parse import urlencode

from memory.listing import Filter, Sort

WORDS = ("decision", "reason", "edit_type", "scope", "axis", "text", "prompts")
BOUNDS = ("least", "most")
KINDS = {"talk": True, "campaign": False}
"""Of the field `kind`: whether samples of a conversation are wanted, or all others."""
MAX_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an address asks for; what in it could not be understood is left out of the filter, and said."""

    filter: Filter
    page: int
    """From 1."""
    problems: tuple[str, ...]


def asked(query: Mapping[str, str]) -> Asked:
    """The filter and the page that a query asks for. Unknown fields are of other pages' business."""
    problems: list[str] = []
    words: dict[str, Any] = {name: query.get(name, "").strip()[:MAX_LENGTH] for name in WORDS if name != "axis"}
    wanted = Filter(**words)
    if kind := query.get("kind", ""):
        wanted = replace(wanted, conversation=KINDS.get(kind))
    for changes in _of_axis(query, problems):
        try:
            wanted = replace(wanted, **changes)
        except ValueError as error:
            problems.append(str(error))
    page = query.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1
    return Asked(filter=wanted, page=max(1, number), problems=tuple(problems))


def query_of(wanted: Filter, page: int = 1) -> str:
    """The query that asks for this, with its question mark; empty for all samples, the newest first."""
    fields = {name: getattr(wanted, name) for name in WORDS}
    fields |= {name: f"{value:g}" for name in BOUNDS if (value := getattr(wanted, name)) is not None}
    fields["kind"] = next((name for name, talk in KINDS.items() if talk is wanted.conversation), "")
    fields["sort"] = "" if wanted.sort == "newest" else wanted.sort
    fields["page"] = str(page) if page > 1 else ""
    said = {name: value for name, value in fields.items() if value}
    return f"?{urlencode(said)}" if said else ""


def _of_axis(query: Mapping[str, str], problems: list[str]) -> list[dict[str, Any]]:
    """The axis first: bounds and order need it."""
    found: list[dict[str, Any]] = [{"axis": query.get("axis", "").strip()[:MAX_LENGTH]}]
    for name in BOUNDS:
        if text := query.get(name, "").strip():
            try:
                found.append({name: _number(text)})
            except ValueError:
                problems.append(f"{text[:40]!r} is no score; expected a number from 0 to 1, such as 0.5")
    sort = query.get("sort") or "newest"
    if sort in get_args(Sort):
        found.append({"sort": sort})
    else:
        problems.append(f"{sort[:40]!r} is no order; expected one of {', '.join(get_args(Sort))}")
    return found


def _number(text: str) -> float:
    value = float(text.replace(",", "."))
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value
