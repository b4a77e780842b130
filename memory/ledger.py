"""The ledger: every step of every sample, one event each, in one SQLite file. The run's one truth.

Events are queued and written by one thread, all that wait in one transaction with a full fsync (group commit): an
append returns when its event is on disk. The `samples` table holds the fold of each sample's events, written in the
same transaction, so that lists need not fold a million samples; `events` alone would be enough to rebuild it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue, TypeAdapter

from memory.sample import Clip, Event, Sample

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sample_id TEXT NOT NULL, at TEXT NOT NULL, tool TEXT NOT NULL,
    payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_sample ON events (sample_id, seq);
CREATE TABLE IF NOT EXISTS samples (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, stage TEXT NOT NULL, decision TEXT, clip_id TEXT,
    edit_type TEXT, ordinal INTEGER UNIQUE, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS samples_by_decision ON samples (decision, number);
CREATE INDEX IF NOT EXISTS samples_by_clip ON samples (clip_id);
CREATE TABLE IF NOT EXISTS sources (
    uri TEXT PRIMARY KEY, outcome TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clips (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, uri TEXT NOT NULL,
    payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS clips_by_uri ON clips (uri);
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, payload TEXT NOT NULL, done_at TEXT, outcome TEXT);
"""


class LedgerError(RuntimeError):
    """The ledger cannot be read or written: a full disk, a damaged file. What it has stays."""


_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample as the list shows it: its number in the run, its place among the accepted, and its fold."""

    number: int
    ordinal: int | None
    sample: Sample


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source file's fate."""

    uri: str
    outcome: Literal["pending", "used", "rejected"]
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Append:
    event: Event
    sample: Sample
    number: int
    done: Future[Event]


def now() -> str:
    """UTC now, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger:
    """Reads at any time; `append` only by the run's owner.

    Raises:
        LedgerError: the file is no ledger, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_lock = threading.Lock()
        try:
            self._reader = self._connect()
            self._reader.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise LedgerError(f"ledger {str(path)!r} cannot be read ({error}); expected the one of a run") from error
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._drain, name="ledger", daemon=True)
        self._writer.start()

    # writing

    async def append(self, event: Event, sample: Sample, number: int) -> Event:
        """Append one event with the fold it leads to; returns it, numbered and dated, when it is on disk.

        Raises:
            LedgerError: the disk is full or the file is damaged; nothing of the event was kept.
        """
        done: Future[Event] = Future()
        self._queue.put(_Append(event=event, sample=sample, number=number, done=done))
        return await asyncio.wrap_future(done)

    def set_source(self, source: Source, clips: Iterable[Clip] = ()) -> None:
        """Record a source's fate and its windows, in one transaction."""
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "INSERT INTO sources VALUES (?, ?, ?, ?) "
                "ON CONFLICT (uri) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason",
                (source.uri, source.outcome, source.reason, now()),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO clips (id, uri, payload) VALUES (?, ?, ?)",
                [(clip.clip_id, clip.uri, clip.model_dump_json()) for clip in clips],
            )

    def add_command(self, payload: dict[str, JsonValue]) -> None:
        """Leave an order for the run's owner; anybody may."""
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "INSERT INTO commands (at, payload) VALUES (?, ?)", (now(), _JSON.dump_json(payload).decode())
            )

    def finish_command(self, number: int, outcome: str) -> None:
        """Mark an order as dealt with, and say how."""
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "UPDATE commands SET done_at = ?, outcome = ? WHERE number = ?", (now(), outcome, number)
            )

    # reading

    def events(self, sample_id: str) -> list[Event]:
        """The events of one sample, oldest first."""
        rows = self._rows("SELECT seq, at, payload FROM events WHERE sample_id = ? ORDER BY seq", (sample_id,))
        return [
            Event.model_validate_json(payload).model_copy(update={"seq": seq, "at": at}) for seq, at, payload in rows
        ]

    def row(self, sample_id: str) -> Row | None:
        """One sample."""
        return next(self.rows("id = ?", (sample_id,)), None)

    def rows(self, where: str = "1", values: tuple[object, ...] = ()) -> Iterator[Row]:
        """Samples in the order they were begun; `where` is trusted SQL over the columns of `samples`."""
        query = f"SELECT number, ordinal, payload FROM samples WHERE {where} ORDER BY number"
        for number, ordinal, payload in self._rows(query, values):
            yield Row(number=number, ordinal=ordinal, sample=Sample.model_validate_json(payload))

    def counts(self) -> dict[str, int]:
        """Samples by decision; those under way count as "pending"."""
        return dict(self._rows("SELECT COALESCE(decision, 'pending'), COUNT(*) FROM samples GROUP BY 1 ORDER BY 1"))

    def uses(self, column: Literal["clip_id", "edit_type"]) -> dict[str, int]:
        """How many samples use each clip, or each edit type; rejected ones count too."""
        return dict(
            self._rows(f"SELECT {column}, COUNT(*) FROM samples WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1")
        )

    def gpu_seconds(self) -> float:
        """What all samples took of GPUs."""
        query = "SELECT COALESCE(SUM(json_extract(payload, '$.gpu_seconds')), 0.0) FROM samples"
        return float(self._rows(query)[0][0])

    def next_number(self) -> int:
        """The number of the next sample to begin."""
        return int(self._rows("SELECT COALESCE(MAX(number), 0) + 1 FROM samples")[0][0])

    def sources(self) -> list[Source]:
        """Every source file with its fate, by name: used once a sample was drawn from it."""
        used = "EXISTS (SELECT 1 FROM clips JOIN samples ON samples.clip_id = clips.id WHERE clips.uri = sources.uri)"
        outcome = f"CASE WHEN outcome = 'pending' AND {used} THEN 'used' ELSE outcome END"
        rows = self._rows(f"SELECT uri, {outcome}, reason FROM sources ORDER BY uri")
        return [Source(uri=uri, outcome=outcome, reason=reason) for uri, outcome, reason in rows]

    def clips(self) -> list[Clip]:
        """The clip table, in the order of ingest."""
        return [
            Clip.model_validate_json(payload) for (payload,) in self._rows("SELECT payload FROM clips ORDER BY number")
        ]

    def open_commands(self) -> list[tuple[int, dict[str, JsonValue]]]:
        """Orders that nobody has carried out, oldest first."""
        rows = self._rows("SELECT number, payload FROM commands WHERE done_at IS NULL ORDER BY number")
        return [(number, _JSON.validate_json(payload)) for number, payload in rows]

    def close(self) -> None:
        """Write what is queued, then close."""
        self._queue.put(None)
        self._writer.join()
        self._reader.close()

    # inside

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def _drain(self) -> None:
        with closing(self._connect()) as connection:
            while (first := self._queue.get()) is not None:
                batch, ends = self._gather(first)
                self._commit(connection, batch)
                if ends:
                    return

    def _gather(self, first: _Append) -> tuple[list[_Append], bool]:
        batch = [first]
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
            if item is None:
                return batch, True
            batch.append(item)

    def _commit(self, connection: sqlite3.Connection, batch: list[_Append]) -> None:
        try:
            with connection:
                written = [self._write(connection, item) for item in batch]
        except sqlite3.Error as error:
            failed = LedgerError(f"ledger {str(self._path)!r} cannot be written: {error}")
            for item in batch:
                item.done.set_exception(failed)
            return
        for item, event in zip(batch, written, strict=True):
            item.done.set_result(event)

    def _write(self, connection: sqlite3.Connection, item: _Append) -> Event:
        event, sample, at = item.event, item.sample, now()
        cursor = connection.execute(
            "INSERT INTO events (sample_id, at, tool, payload) VALUES (?, ?, ?, ?)",
            (event.sample_id, at, event.tool, event.model_dump_json()),
        )
        connection.execute(
            "INSERT INTO samples (id, number, stage, decision, clip_id, edit_type, ordinal, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, CASE WHEN ? THEN (SELECT COALESCE(MAX(ordinal), 0) + 1 FROM samples) END, ?) "
            "ON CONFLICT (id) DO UPDATE SET stage = excluded.stage, decision = excluded.decision, "
            "clip_id = excluded.clip_id, edit_type = excluded.edit_type, payload = excluded.payload, "
            "ordinal = COALESCE(samples.ordinal, excluded.ordinal)",
            (
                sample.id,
                item.number,
                sample.stage,
                sample.decision,
                sample.clip and sample.clip.clip_id,
                sample.instruction and sample.instruction.edit_type,
                sample.decision == "accepted",
                sample.model_dump_json(),
            ),
        )
        return event.model_copy(update={"seq": cursor.lastrowid, "at": at})
