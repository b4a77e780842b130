"""The ledger: every step of every sample, one event each, in one SQLite file. The run's one truth.

An append returns when its event is on disk (group_commit.py). The `samples` table holds the fold of each sample's
events, written in the same transaction, so that lists need not fold a million samples; `events` alone would be enough
to rebuild it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from memory import jobs, sessions, source_table
from memory.backup import Backup, connect, is_damage
from memory.figures import SPENT, Figures
from memory.group_commit import WRITE_ERRORS, GroupCommit, LedgerError, now
from memory.listed import LISTED
from memory.listing import Filter, Listing
from memory.noun import Noun
from memory.outcomes import Outcome, outcomes
from memory.references import ADD, HELD_BY_OTHERS, UNKNOWN, artifact_key, references
from memory.references import SCHEMA as HELD_SCHEMA
from memory.sample import Event, Sample
from memory.tail import SCHEMA as TAIL_SCHEMA
from memory.tail import Recording

SCHEMA = f"""{TAIL_SCHEMA}{HELD_SCHEMA}{source_table.SCHEMA}{jobs.SCHEMA}{sessions.SCHEMA}
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sample_id TEXT NOT NULL, number INTEGER NOT NULL, seed INTEGER NOT NULL,
    conversation INTEGER NOT NULL, at TEXT NOT NULL, tool TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_sample ON events (sample_id, seq);
CREATE TABLE IF NOT EXISTS samples (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, stage TEXT NOT NULL, decision TEXT, clip_id TEXT,
    edit_type TEXT, ordinal INTEGER UNIQUE, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS samples_by_decision ON samples (decision, number);
CREATE INDEX IF NOT EXISTS samples_by_clip ON samples (clip_id);
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, payload TEXT NOT NULL, done_at TEXT, outcome TEXT);
"""
_TALK = "json_extract(payload, '$.conversation')"
T = TypeVar("T", bound=Noun)
_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample as the list shows it: its number in the run, its place among the accepted, and its fold."""

    number: int
    ordinal: int | None
    sample: Sample


@dataclass(frozen=True, kw_only=True)
class Command:
    """An order that was left for the run's owner."""

    number: int
    at: str
    outcome: str | None
    """None while nobody has carried it out."""


class Ledger:
    """Reads at any time; `append` only by the run's owner.

    Every write goes into the tail of the ledger's backup too (tail.py); only the owner restores from it (backup.py).

    Raises:
        LedgerError: the file is no ledger, is damaged, or is gone and its backup is not.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._path = path
        self._backup = Backup(path, SCHEMA)
        if self._backup.exists() and not (path.exists() and path.stat().st_size):
            raise self._failed("read", "it is missing or empty")
        self._read_lock = threading.Lock()
        self._writable = (
            not read_only and os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        )
        try:
            self._seen = self._state()
            self._reader = self._connect()
            if self._writable:
                self._reader.executescript(SCHEMA)
                for projection in (LISTED, SPENT):
                    projection.prepare(self._reader)
        except sqlite3.Error as error:
            raise self._failed("read", error) from error
        self._writer = GroupCommit(self._connect, self._backup.tail, lambda error: self._failed("written", error))
        self.sources = source_table.SourceTable(self._rows, self._transaction)
        self.listing = Listing(self._rows, lambda payload: self._parsed(Sample, payload))
        self.figures = Figures(self._rows)
        self.jobs = jobs.JobTable(self._rows, self._transaction)
        self.sessions = sessions.SessionTable(self._rows, self._transaction)

    # writing

    async def append(self, event: Event, sample: Sample, number: int) -> Event:
        """Append one event with the fold it leads to; returns it, numbered and dated, when it is on disk.

        Raises:
            LedgerError: the disk is full or the file is damaged; nothing of the event was kept.
            pydantic.ValidationError, ValueError: the event or the sample has no JSON.
        """
        return await asyncio.wrap_future(self._writer.put(event, sample, number))

    def add_command(self, payload: dict[str, JsonValue]) -> int:
        """Leave an order for the run's owner; anybody may. Returns its number."""
        with self._transaction() as connection:
            made = connection.execute(
                "INSERT INTO commands (at, payload) VALUES (?, ?)", (now(), _JSON.dump_json(payload).decode())
            )
            return int(made.lastrowid or 0)

    def finish_command(self, number: int, outcome: str) -> None:
        """Mark an order as dealt with, and say how."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE commands SET done_at = ?, outcome = ? WHERE number = ?", (now(), outcome, number)
            )

    # reading

    def events(self, sample_id: str) -> list[Event]:
        """The events of one sample, oldest first."""
        rows = self._rows("SELECT seq, at, payload FROM events WHERE sample_id = ? ORDER BY seq", (sample_id,))
        return [self._parsed(Event, payload).model_copy(update={"seq": seq, "at": at}) for seq, at, payload in rows]

    def row(self, sample_id: str) -> Row | None:
        """One sample."""
        return next(self.rows("id = ?", (sample_id,)), None)

    def rows(self, where: str = "1", values: tuple[object, ...] = ()) -> Iterator[Row]:
        """Samples in the order they were begun; `where` is trusted SQL over the columns of `samples`."""
        query = f"SELECT number, ordinal, payload FROM samples WHERE {where} ORDER BY number"
        for number, ordinal, payload in self._rows(query, values):
            yield Row(number=number, ordinal=ordinal, sample=self._parsed(Sample, payload))

    def outcomes(self, wanted: Filter) -> Iterator[Outcome]:
        """What became of the samples that match, in the order they were begun."""
        return outcomes(self._rows, wanted)

    def counts(self) -> dict[str, int]:
        """Samples by decision; those under way count as "pending"."""
        return dict(self._rows("SELECT COALESCE(decision, 'pending'), COUNT(*) FROM samples GROUP BY 1 ORDER BY 1"))

    def candidates(self) -> int:
        """Samples that were begun for the dataset, whatever became of them: all but conversations."""
        return int(self._rows(f"SELECT COUNT(*) FROM samples WHERE NOT {_TALK}")[0][0])

    def asked(self) -> dict[str, int]:
        """Samples by the edit type of their instruction; conversations only once they were accepted."""
        wanted = f"edit_type IS NOT NULL AND (NOT {_TALK} OR decision = 'accepted')"
        query = f"SELECT edit_type, COUNT(*) FROM samples WHERE {wanted} GROUP BY 1 ORDER BY 1"
        return dict(self._rows(query))

    def gpu_seconds(self) -> float:
        """What all samples took of GPUs."""
        query = "SELECT COALESCE(SUM(json_extract(payload, '$.gpu_seconds')), 0.0) FROM samples"
        return float(self._rows(query)[0][0])

    def next_number(self) -> int:
        """The number of the next sample to begin."""
        return int(self._rows("SELECT COALESCE(MAX(number), 0) + 1 FROM samples")[0][0])

    def open_commands(self) -> list[tuple[int, dict[str, JsonValue]]]:
        """Orders that nobody has carried out, oldest first."""
        rows = self._rows("SELECT number, payload FROM commands WHERE done_at IS NULL ORDER BY number")
        return [(number, _JSON.validate_json(payload)) for number, payload in rows]

    def command(self, number: int) -> str | None:
        """What came of an order; None while nobody has carried it out."""
        rows = self._rows("SELECT outcome FROM commands WHERE number = ?", (number,))
        return rows[0][0] if rows else None

    def last_command(self, sample_id: str, kind: str | None = None) -> Command | None:
        """The last order about a sample, of any kind or of this one."""
        query = (
            "SELECT number, at, outcome FROM commands WHERE json_extract(payload, '$.sample') = ? "
            "AND coalesce(?, json_extract(payload, '$.kind')) = json_extract(payload, '$.kind') "
            "ORDER BY number DESC LIMIT 1"
        )
        rows = self._rows(query, (sample_id, kind))
        return Command(number=rows[0][0], at=rows[0][1], outcome=rows[0][2]) if rows else None

    def index_artifacts(self) -> None:
        """Make `is_held` know what was written before there was an index. Only for the run's owner, once it opens."""
        if not self._rows(UNKNOWN)[0][0]:
            return
        with self._transaction() as connection:
            for number, payload in self._rows("SELECT number, payload FROM events"):
                connection.executemany(ADD, [(artifact_key(reference), number) for reference in references(payload)])

    def artifacts(self, sample_id: str) -> list[str]:
        """Every artifact that a sample's events refer to, those of attempts that were redone too."""
        rows = self._rows("SELECT payload FROM events WHERE sample_id = ? ORDER BY seq", (sample_id,))
        return references(" ".join(payload for (payload,) in rows))

    def lately(self, tools: tuple[str, ...], events: int = 50_000) -> list[str]:
        """Samples that these tools were called for among the last so many events of the run."""
        which = ", ".join("?" * len(tools))
        query = (
            f"SELECT DISTINCT sample_id FROM events WHERE seq > (SELECT MAX(seq) FROM events) - ? AND tool IN ({which})"
        )
        return [sample_id for (sample_id,) in self._rows(query, (events, *tools))]

    def seconds_of(self, tool: str, events: int = 2000) -> list[float]:
        """What the calls of a tool took that went well among the last so many events of the run."""
        query = (
            "SELECT json_extract(payload, '$.seconds') FROM events WHERE seq > (SELECT MAX(seq) FROM events) - ? "
            "AND tool = ? AND json_extract(payload, '$.error') IS NULL"
        )
        return [float(seconds) for (seconds,) in self._rows(query, (events, tool))]

    def is_held(self, reference: str, but: int) -> bool:
        """Whether a sample other than the one of number `but` still needs an artifact."""
        return bool(self._rows(HELD_BY_OTHERS, (artifact_key(reference), but, reference)))

    def close(self) -> None:
        """Write what is queued, then close."""
        self._writer.close()
        self._reader.close()

    # inside

    @contextmanager
    def _transaction(self) -> Iterator[Recording]:
        try:
            with closing(self._connect()) as connection, self._backup.tail.transaction(connection) as recording:
                yield recording
        except WRITE_ERRORS as error:
            raise self._failed("written", error) from error

    def _connect(self) -> sqlite3.Connection:
        if not self._writable:  # somebody else's run, looked at
            address = f"{self._path.absolute().as_uri()}?mode=ro{'' if self._wal().exists() else '&immutable=1'}"
            return sqlite3.connect(address, uri=True, check_same_thread=False)
        return connect(self._path)

    def _wal(self) -> Path:
        return self._path.with_name(f"{self._path.name}-wal")

    def _state(self) -> tuple[object, ...] | None:
        """By which `_look_again` knows the file; None while it is away."""
        try:
            known = self._path.stat()
        except OSError:
            return None
        written = () if self._writable else (self._wal().exists(), known.st_mtime_ns, known.st_size)
        return known.st_dev, known.st_ino, *written

    def _look_again(self) -> None:
        """Connect anew where another file lies in the ledger's place (it was restored, or the run made anew).

        The same where somebody has written to one that is only read: an immutable one is read only once.
        """
        if (state := self._state()) and state != self._seen:
            self._reader.close()
            self._reader, self._seen = self._connect(), state

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            with self._read_lock:
                self._look_again()
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed("read", error) from error

    def _parsed(self, kind: type[T], payload: str) -> T:
        try:
            return kind.model_validate_json(payload)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise self._failed("read", f"{kind.__name__} {payload[:60]!r}: {problem}") from error

    def _failed(self, verb: str, error: Exception | str) -> LedgerError:
        """The error to raise; where it may be damage, the next owner will look at the whole file."""
        advice = "expected the one of a run"
        if self._backup.exists():
            advice = "the next agent.run on this run checks it, and restores it from its backup if it is damaged"
        if isinstance(error, Exception) and not is_damage(error):
            advice = "what it has stays"
        else:
            self._backup.suspect()
        return LedgerError(f"ledger {str(self._path)!r} cannot be {verb} ({error}); {advice}")
