"""Acceptance and cost over time: each session's samples in blocks, in the order they were begun."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from agent.figure import Cell, Figure, percent
from memory.figures import RoundPart
from memory.sessions import CampaignSession

ROUND_SIZES = (10, 20, 25, 50, 100, 200, 250, 500, 1000, 2500, 5000, 10_000, 25_000)
ROUNDS_SHOWN = 40
CONFIDENCE_Z = 1.96
"""Of a 95 % interval."""


def round_size(samples: int) -> int:
    """Samples in a round, so that there are few enough rounds to look at."""
    return next((size for size in ROUND_SIZES if samples <= size * ROUNDS_SHOWN), ROUND_SIZES[-1])


def first_samples(sessions: Sequence[CampaignSession]) -> list[tuple[int, int]]:
    """Where each session begins; what was made before sessions were kept counts as session 0."""
    began = [(session.number, session.first_sample) for session in sessions]
    return began if began and began[0][1] <= 1 else [(0, 1), *began]


def wilson(passed: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), 0..1: what the true rate may well be, given so many samples."""
    if not of:
        return 0.0, 1.0
    share, z2 = passed / of, CONFIDENCE_Z**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = CONFIDENCE_Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, kw_only=True)
class Round:
    """A block of samples of one session, in the order they were begun."""

    name: str
    first: int
    last: int
    """Numbers of its first and last sample in the run."""
    decisions: Mapping[str, int]
    model_seconds: float

    @property
    def accepted(self) -> int:
        """Pairs."""
        return self.decisions.get("accepted", 0)

    @property
    def decided(self) -> int:
        """Samples that are not under way any more."""
        return sum(self.decisions.values()) - self.decisions.get("pending", 0)


def rounds_of(parts: Sequence[RoundPart]) -> list[Round]:
    """The rounds, in order, of their parts."""
    found: dict[tuple[int, int], list[RoundPart]] = defaultdict(list)
    for part in parts:
        found[part.session, part.round].append(part)
    return [
        Round(
            name=f"{session}.{number + 1}",
            first=min(part.first for part in some),
            last=max(part.last for part in some),
            decisions={part.decision: part.samples for part in some},
            model_seconds=sum(part.model_seconds for part in some),
        )
        for (session, number), some in sorted(found.items())
    ]


def acceptance_figure(rounds: Sequence[Round], size: int) -> Figure:
    """Which share was accepted, round by round."""
    rows: list[tuple[Cell, ...]] = []
    intervals: list[JsonValue] = []
    for one in rounds:
        low, high = wilson(one.accepted, one.decided)
        share = percent(one.accepted, one.decided)
        between = f"{100 * low:.0f} to {100 * high:.0f} %" if one.decided else "-"
        rows.append((one.name, f"{one.first} to {one.last}", one.decided, one.accepted, share, between))
        intervals.append([round(100 * low, 1), round(100 * high, 1)] if one.decided else None)
    labels: list[JsonValue] = [f"{one.name} ({one.decided})" for one in rounds]
    values: list[JsonValue] = [round(100 * one.accepted / one.decided, 1) if one.decided else None for one in rounds]
    return Figure(
        name="rounds",
        title="Acceptance by round",
        says=f"The share of decided samples that was accepted. A round is {size} samples of one session in the order "
        "they were begun: round 2.3 is the third of session 2. In brackets the number decided; the thin line is the "
        "95 % interval, so rounds whose lines overlap much may not differ at all.",
        columns=("round", "samples", "decided", "accepted", "share", "95 % interval"),
        rows=rows if any(one.decided for one in rounds) else [],
        chart={
            "kind": "bar",
            "labels": labels,
            "series": [{"name": "accepted, % of decided", "colour": "accepted", "values": values}],
            "intervals": intervals,
            "most": 100,
        },
    )


def cost_figure(rounds: Sequence[Round]) -> Figure:
    """What an accepted pair cost, round by round."""
    costs = [one.model_seconds / one.accepted if one.accepted else None for one in rounds]
    rows: list[tuple[Cell, ...]] = [
        (one.name, one.accepted, round(one.model_seconds, 1), None if cost is None else round(cost, 2))
        for one, cost in zip(rounds, costs, strict=True)
    ]
    values: list[JsonValue] = [None if cost is None else round(cost, 2) for cost in costs]
    return Figure(
        name="cost",
        title="Seconds per accepted pair, over time",
        says="Model seconds of all samples of a round, dropped ones too, for each pair that was accepted in it. "
        "A round with no accepted pair has no point.",
        columns=("round", "accepted pairs", "model seconds", "seconds per accepted pair"),
        rows=rows if any(one.decided for one in rounds) else [],
        chart={
            "kind": "line",
            "labels": list[JsonValue](one.name for one in rounds),
            "series": [{"name": "model seconds per accepted pair", "colour": "accent", "values": values}],
        },
    )
