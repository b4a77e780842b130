"""The campaign at a glance: where samples ended and why, what was asked for, and where the time goes.

Pure: the ledger's counts come from memory/figures.py; acceptance and cost over time stand in campaign_rounds.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from agent.figure import Cell, Figure, percent
from memory.figures import Spent, Tally

DROPPED = ("rejected", "unscored", "failed", "quarantined")
DECISIONS = ("accepted", *DROPPED, "pending")
STEPS = (
    "begun",
    "clip taken",
    "clip described",
    "instruction written",
    "key frame edited",
    "key frame passed",
    "video generated",
    "video judged",
    "accepted",
)
"""How far a sample came, by the number that memory/listed.py gives."""
REASONS_SHOWN = 20


def funnel_figure(tallies: Sequence[Tally]) -> Figure:
    """How many samples came how far, and how the others ended."""
    ended: list[Counter[str]] = [Counter() for _ in STEPS]
    for tally in tallies:
        ended[tally.reached][tally.decision] += tally.samples
    reached = [sum(sum(counts.values()) for counts in ended[step:]) for step in range(len(STEPS))]
    last = len(STEPS) - 1
    further = [reached[step] if step == last else reached[step + 1] for step in range(len(STEPS))]
    stops = [{} if step == last else counts for step, counts in enumerate(ended)]
    shown = [name for name in (*DROPPED, "pending") if any(counts.get(name) for counts in stops)]
    rows: list[tuple[Cell, ...]] = [
        (STEPS[step], reached[step], percent(reached[step], reached[0]), *(stops[step].get(name, 0) for name in shown))
        for step in range(len(STEPS))
    ]
    series: list[JsonValue] = [{"name": "went on", "colour": "accent", "values": list[JsonValue](further)}]
    for name in shown:
        values: list[JsonValue] = [stops[step].get(name, 0) for step in range(len(STEPS))]
        series.append({"name": f"{_under_way(name)} here", "colour": name, "values": values})
    return Figure(
        name="funnel",
        title="How far samples came",
        says="Each bar is the samples that reached a step: those that went on to the next, and those that ended here, "
        "by decision. A sample that was done again counts by the furthest it ever came.",
        columns=("step", "reached it", "of all", *(f"{_under_way(name)} here" for name in shown)),
        rows=rows if reached[0] else [],
        chart={
            "kind": "bar",
            "horizontal": True,
            "stacked": True,
            "labels": list[JsonValue](STEPS),
            "series": series,
        },
        height=320,
    )


def reasons_figure(tallies: Sequence[Tally]) -> Figure:
    """Why samples were not accepted."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    dropped = 0
    for tally in tallies:
        if tally.decision in DROPPED:
            dropped += tally.samples
            for reason in tally.reasons:
                counts[reason][tally.decision] += tally.samples
    order = sorted(counts, key=lambda reason: (-counts[reason].total(), reason))[:REASONS_SHOWN]
    shown = [name for name in DROPPED if any(counts[reason][name] for reason in order)]
    series: list[JsonValue] = [
        {"name": name, "colour": name, "values": list[JsonValue](counts[reason][name] for reason in order)}
        for name in shown
    ]
    return Figure(
        name="reasons",
        title="Why samples were not accepted",
        says=f"Axes that failed and other reasons, of what was not accepted: {dropped:,} in all. A sample may have "
        f"several. {f'The {REASONS_SHOWN} most frequent are shown. ' if len(counts) > REASONS_SHOWN else ''}"
        "Unscored: an axis that the instruction needs could not be judged.",
        columns=("reason", *shown, "together"),
        rows=[(reason, *(counts[reason][name] for name in shown), counts[reason].total()) for reason in order],
        chart={
            "kind": "bar",
            "horizontal": True,
            "stacked": True,
            "labels": list[JsonValue](order),
            "series": series,
        },
        height=120 + 24 * len(order),
    )


def kinds_figure(tallies: Sequence[Tally], scopes: Mapping[str, str]) -> Figure:
    """Samples over the taxonomy of edits; `scopes`: what this run can ask for, by edit type."""
    counts: dict[tuple[str, str], Counter[str]] = {(kind, scope): Counter() for kind, scope in scopes.items()}
    for tally in tallies:
        if tally.edit_type:
            counts.setdefault((tally.edit_type, tally.scope), Counter())[tally.decision] += tally.samples
    order = sorted(counts, key=lambda key: (key[1], -counts[key]["accepted"], key[0]))
    others = {key: counts[key].total() - counts[key]["accepted"] - counts[key]["pending"] for key in order}
    rows: list[tuple[Cell, ...]] = []
    for key in order:
        accepted, decided = counts[key]["accepted"], counts[key]["accepted"] + others[key]
        rows.append((key[0], key[1], accepted, decided, percent(accepted, decided)))
    series: list[JsonValue] = [
        {"name": "accepted", "colour": "accepted", "values": list[JsonValue](counts[key]["accepted"] for key in order)},
        {"name": "not accepted", "colour": "soft", "values": list[JsonValue](others[key] for key in order)},
    ]
    return Figure(
        name="kinds",
        title="Edit types and scopes",
        says="Decided samples by what they were asked for. Global changes the whole picture, local a part of it. "
        "A type with no bar was never asked for: the dataset has a hole there.",
        columns=("edit type", "scope", "accepted", "decided", "share"),
        rows=rows if any(row[3] for row in rows) else [],
        chart={
            "kind": "bar",
            "horizontal": True,
            "stacked": True,
            "labels": list[JsonValue](f"{kind} ({scope})" for kind, scope in order),
            "series": series,
        },
        height=100 + 24 * len(order),
    )


def time_figure(spent: Sequence[Spent], accepted: int) -> Figure:
    """Where the time goes, tool by tool."""
    total = sum(one.seconds for one in spent)
    rows: list[tuple[Cell, ...]] = [
        (
            one.tool,
            one.calls,
            one.errors,
            round(one.seconds, 1),
            percent(one.seconds, total),
            round(one.seconds / accepted, 2) if accepted else None,
            round(one.model_seconds, 1),
        )
        for one in spent
    ]
    per = accepted or 1
    values: list[JsonValue] = [round(one.seconds / per, 3) for one in spent]
    name = "seconds per accepted pair" if accepted else "seconds"
    return Figure(
        name="time",
        title="Where the time goes",
        says=f"Seconds that the calls of each tool took{', for each accepted pair' if accepted else ''}, redone and "
        "dropped work included; samples that ran at once are added up, so the sum may exceed the clock.",
        columns=("tool", "calls", "failed", "seconds", "of all", "seconds per accepted pair", "of them models"),
        rows=rows,
        chart={
            "kind": "bar",
            "horizontal": True,
            "labels": list[JsonValue](one.tool for one in spent),
            "series": [{"name": name, "colour": "accent", "values": values}],
        },
        height=80 + 26 * len(spent),
    )


def _under_way(decision: str) -> str:
    return "under way" if decision == "pending" else decision
