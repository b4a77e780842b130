"""Group commit: one thread writes all events that wait in one transaction with a full fsync, then answers for each."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from memory.references import ADD, artifact_key, references
from memory.sample import Event, Sample
from memory.tail import Recording, Tail, TailError


class LedgerError(RuntimeError):
    """The ledger cannot be read or written: a full disk, a damaged file. What it has stays."""


WRITE_ERRORS = (sqlite3.Error, OSError, TailError)
"""What can go wrong between a statement and the disk."""


@dataclass(frozen=True, kw_only=True)
class _Append:
    event: Event
    event_json: str
    sample: Sample
    sample_json: str
    number: int
    done: Future[Event]


def now() -> str:
    """UTC now, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class GroupCommit:
    """The ledger's writer. `connect` opens its connection, on its own thread; `failed` words an error of it."""

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], tail: Tail, failed: Callable[[Exception], LedgerError]
    ) -> None:
        self._connect = connect
        self._tail = tail
        self._failed = failed
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._drain, name="ledger", daemon=True)
        self._thread.start()

    def put(self, event: Event, sample: Sample, number: int) -> Future[Event]:
        """Queue one event with the fold it leads to; the future holds it, numbered and dated, once it is on disk.

        Raises:
            ValueError: the event or the sample has no JSON. Better here than on the thread that others wait for.
        """
        done: Future[Event] = Future()
        done.set_running_or_notify_cancel()  # a caller that is cancelled does not take the event back
        item = _Append(
            event=event,
            event_json=event.model_dump_json(),
            sample=sample,
            sample_json=sample.model_dump_json(),
            number=number,
            done=done,
        )
        self._queue.put(item)
        return done

    def close(self) -> None:
        """Write what is queued, then end."""
        self._queue.put(None)
        self._thread.join()

    def _drain(self) -> None:
        try:
            connection = self._connect()
        except WRITE_ERRORS as error:
            self._refuse(self._failed(error))
            return
        with closing(connection):
            while (first := self._queue.get()) is not None:
                batch, ends = self._gather(first)
                self._commit(connection, batch)
                if ends:
                    return

    def _refuse(self, failed: LedgerError) -> None:
        """Answer all that comes with an error: nobody may wait for what cannot be written."""
        while (item := self._queue.get()) is not None:
            item.done.set_exception(failed)

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
            with self._tail.transaction(connection) as recording:
                written = [self._write(recording, item) for item in batch]
        except (*WRITE_ERRORS, ValueError, OverflowError) as error:
            failed = self._failed(error)
            for item in batch:
                item.done.set_exception(failed)
            return
        for item, event in zip(batch, written, strict=True):
            item.done.set_result(event)

    def _write(self, connection: Recording, item: _Append) -> Event:
        event, sample, at = item.event, item.sample, now()
        cursor = connection.execute(
            "INSERT INTO events (sample_id, number, seed, conversation, at, tool, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sample.id, item.number, sample.seed, sample.conversation, at, event.tool, item.event_json),
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
                sample.clip.clip_id if sample.clip else None,
                sample.instruction.edit_type if sample.instruction else None,
                sample.decision == "accepted",
                item.sample_json,
            ),
        )
        held = [(artifact_key(reference), item.number) for reference in references(item.event_json)]
        connection.executemany(ADD, held)
        return event.model_copy(update={"seq": cursor.lastrowid, "at": at})
