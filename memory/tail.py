"""The ledger's tail: every transaction since the last snapshot once more, one line each, in an append-only file.

Tail first, then commit, both on disk before anyone is answered. The ledger's own `tail` table says, in the same
transaction, up to which byte of which tail it has come; so a line is replayed only where the ledger has not got it.

- Killed between the two: the tail is one line ahead. Nobody was answered; the line is whole, and is carried out when
  the ledger is next opened. The step was done once and counts once.
- The commit fails, as on a full disk: the line is cut off again while the tail is still locked, then the error is
  raised. Had the cut failed as well, the line would count as in the first case.
- Commit first would be worse: killed between the two, the tail would go on with a hole that no restore could see.

Statements, not events, stand in the lines: whatever is written to the ledger is covered. They give the same result
again because SQLite's write lock puts them in one order, and a snapshot says where in it it was taken.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory.artifacts import sync_folder

SCHEMA = """CREATE TABLE IF NOT EXISTS tail (
    one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, bytes INTEGER NOT NULL);"""
Value = str | int | float | bytes | None
Statement = tuple[str, Sequence[Value]]


class TailError(RuntimeError):
    """A tail is missing, or damaged elsewhere than at its very end."""


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """How far a ledger or a snapshot has come: so many bytes of the tail of this generation."""

    generation: int
    bytes: int


class Recording:
    """A connection inside a transaction that remembers what was written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.statements: list[Statement] = []

    def execute(self, sql: str, values: Sequence[Value] = ()) -> sqlite3.Cursor:
        """As of a connection."""
        cursor = self._connection.execute(sql, values)
        if not sql.lstrip().upper().startswith("SELECT"):
            self.statements.append((sql, values))
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """As of a connection."""
        for values in rows:
            self.execute(sql, values)


class Tail:
    """The tails in a folder; every write to the ledger goes through `transaction`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[Recording]:
        """One transaction, on disk in tail and ledger when the block has ended.

        Raises:
            sqlite3.Error, OSError, ValueError, TailError: nothing of it was kept.
        """
        with self._turn(connection) as (file, position):
            recording = Recording(connection)
            yield recording
            try:
                if recording.statements:
                    end = _append(file, position.bytes, _line(recording.statements))
                    connection.execute("UPDATE tail SET bytes = ?", (end,))
                connection.commit()
            except BaseException:
                os.ftruncate(file, position.bytes)
                raise

    def rotate(self, connection: sqlite3.Connection) -> None:
        """Go on in a new tail, which follows on the last one."""
        with self._turn(connection) as (_, position):
            set_position(connection, self._begin(position))
            connection.commit()

    def begin_anew(self, connection: sqlite3.Connection) -> None:
        """Go on in a new tail that follows on none, because the last one is lost; a snapshot must be taken next."""
        connection.execute("BEGIN IMMEDIATE")
        set_position(connection, self._begin(None))
        connection.commit()

    def drop_before(self, generation: int) -> None:
        """Remove tails that a snapshot has made superfluous."""
        for path in self.folder.glob("tail-*"):
            if _generation(path) < generation:
                path.unlink()

    def size(self) -> int:
        """Bytes of all tails."""
        return sum(path.stat().st_size for path in self.folder.glob("tail-*"))

    def reaches(self, position: Position) -> bool:
        """Whether the tail of a position is there as far as the position says."""
        path = self._path(position.generation)
        return path.is_file() and path.stat().st_size >= position.bytes

    def replay(self, connection: sqlite3.Connection, position: Position) -> Position:
        """Carry out every whole line after `position`, this tail's and the following ones'; returns where they end.

        Raises:
            TailError: a tail is missing, is damaged before its last line, or does not follow on the one before it.
        """
        while True:
            for end, statements in _lines(self._path(position.generation), position.bytes):
                for sql, values in statements:
                    connection.execute(sql, values)
                position = Position(generation=position.generation, bytes=end)
            following = _header(self._path(position.generation + 1))
            if following is None:
                return position
            begins_at, after = following
            if after != position.bytes:
                raise TailError(
                    f"{str(self._path(position.generation + 1))!r} goes on from byte {after} of the tail before it, "
                    f"which ends at {position.bytes}"
                )
            position = Position(generation=position.generation + 1, bytes=begins_at)

    @contextmanager
    def _turn(self, connection: sqlite3.Connection) -> Iterator[tuple[int, Position]]:
        """The write lock and the tail, both held, the ledger brought up to the tail's end."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            known = position_of(connection)
            if known is None:
                known = self._begin(None)
                set_position(connection, known)
            position = self._caught_up(connection, known)
            with self._locked(position) as file:
                if os.fstat(file).st_size > position.bytes:  # a line that was torn
                    os.ftruncate(file, position.bytes)
                yield file, position
        finally:
            if connection.in_transaction:
                connection.rollback()

    def _caught_up(self, connection: sqlite3.Connection, known: Position) -> Position:
        with self._locked(known) as file:  # nobody is about to cut a line off
            if os.fstat(file).st_size == known.bytes and not self._path(known.generation + 1).exists():
                return known
            position = self.replay(connection, known)
        set_position(connection, position)
        return position

    @contextmanager
    def _locked(self, position: Position) -> Iterator[int]:
        path = self._path(position.generation)
        if not self.reaches(position):
            raise TailError(f"{str(path)!r} is missing or too short; the next agent.run begins a new backup")
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _begin(self, after: Position | None) -> Position:
        """A new tail, on disk with its header; nothing counts on it before the ledger names it."""
        self.folder.mkdir(exist_ok=True)
        known = [_generation(path) for path in self.folder.glob("tail-*")]
        generation = after.generation + 1 if after else max(known, default=0) + 1
        with self._path(generation).open("wb") as file:
            header = _sealed(json.dumps({"generation": generation, "after": after and after.bytes}))
            file.write(header)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)
        return Position(generation=generation, bytes=len(header))

    def _path(self, generation: int) -> Path:
        return self.folder / f"tail-{generation:06d}.jsonl"


def position_of(connection: sqlite3.Connection) -> Position | None:
    """How far a ledger has come, None where nothing was written through a tail yet."""
    row = connection.execute("SELECT generation, bytes FROM tail").fetchone()
    return Position(generation=row[0], bytes=row[1]) if row else None


def set_position(connection: sqlite3.Connection, position: Position) -> None:
    """Write down how far a ledger has come, in the transaction that brought it there."""
    connection.execute("INSERT OR REPLACE INTO tail VALUES (1, ?, ?)", (position.generation, position.bytes))


def _generation(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _append(file: int, at: int, line: bytes) -> int:
    os.lseek(file, at, os.SEEK_SET)
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fdatasync(file)
    return at + len(line)


def _line(statements: Sequence[Statement]) -> bytes:
    texts = list(dict.fromkeys(sql for sql, _ in statements))
    done = [[texts.index(sql), [_as_json(value) for value in values]] for sql, values in statements]
    return _sealed(json.dumps({"sql": texts, "do": done}, ensure_ascii=False))


def _sealed(text: str) -> bytes:
    data = text.encode()
    return b"%08x %s\n" % (zlib.crc32(data), data)


def _lines(path: Path, start: int) -> Iterator[tuple[int, list[Statement]]]:
    """Whole lines from a byte on, each with the byte after it. What is torn at the very end was never answered."""
    if not path.is_file() or path.stat().st_size < start:
        raise TailError(f"{str(path)!r} is missing or too short")
    with path.open("rb") as file:
        file.seek(start)
        end = start
        while line := file.readline():
            found = _opened(line)
            if found is None:
                if file.read(1):
                    raise TailError(f"{str(path)!r} is damaged at byte {end}")
                return
            end += len(line)
            done = found["do"]
            yield end, [(found["sql"][text], [_from_json(value) for value in values]) for text, values in done]


def _header(path: Path) -> tuple[int, int | None] | None:
    """Where a tail's lines begin, and at which byte of the one before it it follows on; None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        line = file.readline()
    found = _opened(line)
    return (len(line), found["after"]) if found else None


def _opened(line: bytes) -> dict[str, Any] | None:
    seal, _, data = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or seal != b"%08x" % zlib.crc32(data):
        return None
    found: dict[str, Any] = json.loads(data)
    return found


def _as_json(value: Value) -> object:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _from_json(value: object) -> Value:
    if isinstance(value, dict):
        return base64.b64decode(value["bytes"])
    return value  # type: ignore[return-value]
