"""The ledger's tables of sources: every file with its fate, the clips cut from it, and the windows that became none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from memory.group_commit import LedgerError, now
from memory.ledger_table import LedgerTable
from memory.sample import Clip
from memory.tail import Recording

SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    uri TEXT PRIMARY KEY, place INTEGER NOT NULL, stamp TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS sources_by_place ON sources (outcome, place);
CREATE TABLE IF NOT EXISTS clips (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, sha256 TEXT NOT NULL,
    seen TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS clips_by_uri ON clips (uri);
CREATE INDEX IF NOT EXISTS clips_by_content ON clips (sha256);
CREATE TABLE IF NOT EXISTS dropped (
    uri TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (uri, start_seconds));
"""
NOT_LOOKED_AT = "not looked at yet"
_AS_LOOKED_AT = "(SELECT outcome FROM sources WHERE sources.uri = clips.uri) IS NOT 'found'"
"""Of a clip: its file has not changed since it was looked at, or is gone."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file that was found: its name, its place in the order of looking, and what shows that it has changed."""

    uri: str
    place: int
    stamp: str
    rejected: str = ""
    """Why it need not be looked at; empty where it must."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source file's fate."""

    uri: str
    outcome: Literal["pending", "used", "rejected"]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A window of a source that became no clip."""

    uri: str
    start_seconds: float
    end_seconds: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class NewClip:
    """A clip and what it looks like: one hash of 64 bits for each look."""

    clip: Clip
    seen: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of a source that was looked at."""

    source: Source
    stamp: str
    """Of the file as it was looked at."""
    clips: tuple[NewClip, ...] = ()
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClipUse:
    """A clip's number, its source, the samples drawn from it, and whether it could not be read in one of them."""

    number: int
    uri: str
    uses: int
    unreadable: bool


class SourceTable(LedgerTable):
    """The sources and their clips."""

    def find(self, found: Iterable[Found]) -> None:
        """Take up files that are to be looked at; one that is known is looked at again only if it has changed."""
        with self._transaction() as connection:
            for one in found:
                known = connection.execute("SELECT stamp FROM sources WHERE uri = ?", (one.uri,)).fetchone()
                if known is None or known[0] != one.stamp:  # else not even the ledger's backup should grow
                    _take_up(connection, one)

    def settle(self, fates: Iterable[Fate], clips: Iterable[NewClip]) -> list[int]:
        """Record what became of sources, and their clips in the order given, in one transaction.

        Returns the clips' numbers. A clip that is known under another path moves here; clips that a source
        gives no more are taken out.
        """
        with self._transaction() as connection:
            for fate in fates:
                _settle(connection, fate)
            return [_add_clip(connection, each) for each in clips]

    def to_look_at(self, limit: int) -> list[str]:
        """Sources that nobody has looked at yet, in their order."""
        query = "SELECT uri FROM sources WHERE outcome = 'found' ORDER BY place, uri LIMIT ?"
        return [str(uri) for (uri,) in self._rows(query, (limit,))]

    def fates(self) -> Iterator[Source]:
        """Every source file with its fate, by name: used once a sample was drawn from it."""
        used = "EXISTS (SELECT 1 FROM clips JOIN samples ON samples.clip_id = clips.id WHERE clips.uri = sources.uri)"
        outcome = f"CASE WHEN outcome = 'pending' AND {used} THEN 'used' ELSE outcome END"
        query = f"SELECT uri, {outcome}, CASE WHEN outcome = 'found' THEN ? ELSE reason END FROM sources ORDER BY uri"
        for uri, fate, reason in self._rows(query, (NOT_LOOKED_AT,)):
            yield Source(uri=uri, outcome="pending" if fate == "found" else fate, reason=reason)

    def dropped(self) -> Iterator[Dropped]:
        """Every window that became no clip, by source and time."""
        query = "SELECT uri, start_seconds, end_seconds, reason FROM dropped ORDER BY uri, start_seconds"
        for uri, start, end, reason in self._rows(query, ()):
            yield Dropped(uri=uri, start_seconds=start, end_seconds=end, reason=reason)

    def clip(self, number: int) -> Clip:
        """One clip of the table.

        Raises:
            LedgerError: there is none of this number.
        """
        rows = self._rows("SELECT payload FROM clips WHERE number = ?", (number,))
        if not rows:
            raise LedgerError(f"the ledger has no clip number {number}; it was changed while open")
        return Clip.model_validate_json(rows[0][0])

    def has(self, number: int) -> bool:
        """Whether there is a clip of this number."""
        return bool(self._rows("SELECT 1 FROM clips WHERE number = ?", (number,)))

    def clips(self) -> Iterator[Clip]:
        """The clip table, in the order of drawing."""
        for (payload,) in self._rows("SELECT payload FROM clips ORDER BY number", ()):
            yield Clip.model_validate_json(payload)

    def page(self, limit: int, offset: int = 0) -> list[tuple[int, Clip]]:
        """Some of the clips that can be drawn with their numbers, in the order of drawing."""
        query = f"SELECT number, payload FROM clips WHERE {_AS_LOOKED_AT} ORDER BY number LIMIT ? OFFSET ?"
        return [
            (int(number), Clip.model_validate_json(payload)) for number, payload in self._rows(query, (limit, offset))
        ]

    def uses(self, numbers: Sequence[int] | None = None) -> Iterator[ClipUse]:
        """How often each clip was drawn, in the order of drawing; of those named, or of all that can be drawn.

        Clips of a file that has changed cannot, until it was looked at again. Conversations draw none.
        """
        named = _AS_LOOKED_AT
        if numbers is not None:
            named = f"clips.number IN ({', '.join(map(str, map(int, numbers)))})"
        query = (
            "SELECT clips.number, clips.uri, COUNT(samples.id), COALESCE(MAX(samples.decision = 'quarantined'), 0) "
            "FROM clips LEFT JOIN samples ON samples.clip_id = clips.id "
            f"AND NOT json_extract(samples.payload, '$.conversation') WHERE {named} "
            "GROUP BY clips.number ORDER BY clips.number"
        )
        for number, uri, uses, unreadable in self._rows(query, ()):
            yield ClipUse(number=number, uri=uri, uses=uses, unreadable=bool(unreadable))

    def looks(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Of every clip: its source, and its hashes. What a file held before it changed is not among them."""
        query = f"SELECT uri, seen FROM clips WHERE seen != '' AND {_AS_LOOKED_AT} ORDER BY number"
        for uri, seen in self._rows(query, ()):
            yield uri, tuple(int(number, 16) for number in seen.split())

    def stamp(self, uri: str) -> str | None:
        """What shows that a source has changed, as of when it was looked at; None of one that is unknown."""
        rows = self._rows("SELECT stamp FROM sources WHERE uri = ?", (uri,))
        return str(rows[0][0]) if rows else None

    def uri_of_content(self, sha256: str) -> str | None:
        """The source that has clips of this content (sha256 of the whole file), if any; none that has changed."""
        rows = self._rows(f"SELECT uri FROM clips WHERE sha256 = ? AND {_AS_LOOKED_AT} LIMIT 1", (sha256,))
        return str(rows[0][0]) if rows else None


def _take_up(connection: Recording, one: Found) -> None:
    connection.execute(
        "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (uri) DO UPDATE SET "
        "stamp = excluded.stamp, outcome = excluded.outcome, reason = excluded.reason",
        (one.uri, one.place, one.stamp, "rejected" if one.rejected else "found", one.rejected, now()),
    )


def _settle(connection: Recording, fate: Fate) -> None:
    uri = fate.source.uri
    connection.execute(
        "UPDATE sources SET outcome = ?, reason = ?, stamp = ?, at = ? WHERE uri = ?",
        (fate.source.outcome, fate.source.reason, fate.stamp, now(), uri),
    )
    connection.execute("DELETE FROM dropped WHERE uri = ?", (uri,))
    connection.executemany(
        "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?)",
        [(uri, one.start_seconds, one.end_seconds, one.reason) for one in fate.dropped],
    )
    kept = json.dumps([each.clip.clip_id for each in fate.clips])
    connection.execute("DELETE FROM clips WHERE uri = ? AND id NOT IN (SELECT value FROM json_each(?))", (uri, kept))


def _add_clip(connection: Recording, each: NewClip) -> int:
    clip, seen = each.clip, " ".join(f"{number:016x}" for number in each.seen)
    rows = connection.execute(
        "INSERT INTO clips (id, uri, sha256, seen, payload) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET uri = excluded.uri, seen = excluded.seen, payload = excluded.payload "
        "RETURNING number",
        (clip.clip_id, clip.uri, clip.sha256, seen, clip.model_dump_json()),
    )
    return int(rows.fetchone()[0])
