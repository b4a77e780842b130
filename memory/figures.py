"""A campaign in figures: counts and sums over the whole ledger, by narrow tables that stay quick at any length.

Conversations are left out: what a person shapes says nothing about how well a campaign goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from memory.listed import LISTED
from memory.projection import Projection

_OF = "json_extract(payload, '$.{}')"
_SPENT = f"""SELECT substr(at, 1, 16) AS minute, tool, count(*) AS calls,
    sum({_OF.format("error")} IS NOT NULL) AS errors, sum({_OF.format("seconds")}) AS seconds,
    sum({_OF.format("model_seconds")}) AS model_seconds FROM events WHERE conversation = 0"""
_ADD = """CREATE TRIGGER spent_insert AFTER INSERT ON events WHEN NEW.conversation = 0 BEGIN
    INSERT INTO spent SELECT substr(NEW.at, 1, 16), NEW.tool, 1, json_extract(NEW.payload, '$.error') IS NOT NULL,
        json_extract(NEW.payload, '$.seconds'), json_extract(NEW.payload, '$.model_seconds') WHERE 1
    ON CONFLICT (minute, tool) DO UPDATE SET calls = calls + 1, errors = errors + excluded.errors,
        seconds = seconds + excluded.seconds, model_seconds = model_seconds + excluded.model_seconds; END"""
SPENT = Projection(
    name="spent",
    table="""CREATE TABLE spent (minute TEXT NOT NULL, tool TEXT NOT NULL, calls INTEGER NOT NULL,
    errors INTEGER NOT NULL, seconds REAL NOT NULL, model_seconds REAL NOT NULL, PRIMARY KEY (minute, tool))""",
    query=f"{_SPENT} GROUP BY 1, 2",
    triggers={"spent_insert": _ADD},
)
"""What every tool took, minute by minute."""


class Tally(NamedTuple):
    """Samples that have all of this in common."""

    reached: int
    """How far they came (memory/listed.py)."""
    decision: str
    edit_type: str
    """Empty where there was no instruction."""
    scope: str
    reasons: tuple[str, ...]
    samples: int
    model_seconds: float


class RoundPart(NamedTuple):
    """Samples of one round that have the same decision."""

    session: int
    round: int
    """From 0 in each session."""
    decision: str
    samples: int
    model_seconds: float
    first: int
    last: int
    """Numbers of the first and last of them."""


class Spent(NamedTuple):
    """What calls of a tool took together."""

    tool: str
    calls: int
    errors: int
    seconds: float
    """On the clock, added up over samples that ran at once."""
    model_seconds: float


class Asked(NamedTuple):
    """An instruction."""

    sample_id: str
    text: str
    edit_type: str
    decision: str


class Figures:
    """Reads by `rows` of the ledger."""

    def __init__(self, rows: Callable[[str, tuple[object, ...]], list[Any]]) -> None:
        self._rows = rows

    def newest(self) -> int:
        """The number of the ledger's newest event, 0 where there is none: while it stays, so do the figures."""
        return int(self._rows("SELECT COALESCE(MAX(seq), 0) FROM events", ())[0][0])

    def tallies(self) -> list[Tally]:
        """All samples, counted by all that figures ask for: one pass, however long the run."""
        query = (
            "SELECT reached, decision, coalesce(edit_type, ''), coalesce(scope, ''), reasons, count(*), "
            f"sum(model_seconds) FROM {self._listed()} WHERE NOT conversation GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3"
        )
        return [
            Tally(reached, decision, edit_type, scope, tuple(json.loads(reasons)), samples, seconds)
            for reached, decision, edit_type, scope, reasons, samples, seconds in self._rows(query, ())
        ]

    def conversations(self) -> dict[str, int]:
        """Conversations by decision; those that go on count as "pending"."""
        query = (
            "SELECT coalesce(decision, 'pending'), count(*) FROM samples WHERE id >= 'talk-' AND id < 'talk.' "
            "GROUP BY 1 ORDER BY 1"
        )
        return dict(self._rows(query, ()))

    def rounds(self, first_samples: Sequence[tuple[int, int]], size: int) -> list[RoundPart]:
        """Each session's samples in blocks of `size`, in the order they were begun.

        `first_samples`: each session's number and the number of the first sample that it would begin, in order; the
        first one must not be above 1.
        """
        began = ", ".join(f"({int(session)}, {int(first)})" for session, first in first_samples)
        query = (
            f"WITH began(session, first) AS (VALUES {began}), "
            "numbered AS (SELECT number, decision, model_seconds, "
            f"(SELECT max(session) FROM began WHERE first <= number) AS session FROM {self._listed()} "
            "WHERE NOT conversation), "
            "placed AS (SELECT *, (row_number() OVER (PARTITION BY session ORDER BY number) - 1) / ? AS round "
            "FROM numbered) "
            "SELECT session, round, decision, count(*), sum(model_seconds), min(number), max(number) FROM placed "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        return [RoundPart(*row) for row in self._rows(query, (size,))]

    def spent(self) -> list[Spent]:
        """What each tool took in the whole run, the most first."""
        query = (
            "SELECT tool, sum(calls), sum(errors), sum(seconds), sum(model_seconds) "
            f"FROM {self._spent()} GROUP BY 1 ORDER BY 4 DESC"
        )
        return [Spent(*row) for row in self._rows(query, ())]

    def accepted_by_minute(self, since: str = "") -> list[tuple[str, int]]:
        """When pairs were accepted: minutes as "2026-01-31T23:59", UTC, and how many in each; oldest first."""
        query = (
            f"SELECT minute, sum(calls) - sum(errors) FROM {self._spent()} WHERE tool = 'accept' AND minute >= ? "
            "GROUP BY 1 ORDER BY 1"
        )
        return [(minute, pairs) for minute, pairs in self._rows(query, (since,))]

    def instructions(self, at_most: int) -> tuple[list[Asked], int]:
        """Instructions, and how many there are; of more than `at_most` the same ones however the run grows."""
        query = f"SELECT number FROM {self._listed()} WHERE NOT conversation AND edit_type IS NOT NULL"
        numbers = [number for (number,) in self._rows(query, ())]
        some = sorted(numbers, key=lambda number: crc32(str(number).encode()))[:at_most]
        asked = self._rows(
            "SELECT id, json_extract(payload, '$.instruction.text'), edit_type, coalesce(decision, 'pending') "
            f"FROM samples WHERE number IN ({', '.join(map(str, some))}) AND edit_type IS NOT NULL ORDER BY number",
            (),
        )
        return [Asked(*row) for row in asked], len(numbers)

    def _listed(self) -> str:
        return LISTED.source(lambda query: self._rows(query, ()))

    def _spent(self) -> str:
        return SPENT.source(lambda query: self._rows(query, ()))
