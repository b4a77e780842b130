"""The ledger's own backup: a snapshot now and then, and the tail since; a damaged ledger is rebuilt from both.

A snapshot is a whole ledger, checked, put in place by a rename; its `tail` table says from where to replay. All of it
is the business of the run's owner, but any writer adds to the tail.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from memory import tail
from memory.artifacts import sync_folder
from memory.group_commit import WRITE_ERRORS, LedgerError
from memory.tail import Position, Tail, TailError

CHECKED_WHOLE_BYTES = 256 << 20
"""A larger ledger is checked whole only after an error: that takes about a second for each 100 MB."""
LEAST_TAIL_BYTES = 16 << 20
"""A snapshot is due once the tail is as large as the ledger, and at least so large."""
PERIOD_SECONDS = 10.0
_SIDES = ("", "-wal", "-shm")
_DAMAGE = (None, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""Primary codes; None is of text that is no UTF-8. The rest is a full disk, a lock, a missing right, a constraint."""
_PAYLOADS = ("events", "samples", "clips", "commands", "jobs", "training_calls", "sessions")


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write, WAL with full fsync."""
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def is_damage(error: Exception) -> bool:
    """Whether an error may mean that the file is damaged, rather than the disk full or the file locked."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and (code if code is None else code & 0xFF) in _DAMAGE


class Backup:
    """RUN/backup: snapshot.sqlite and the tails. `schema` makes the ledger's tables where they are not."""

    def __init__(self, ledger: Path, schema: str) -> None:
        self.ledger = ledger
        self._schema = schema
        self._folder = ledger.parent / "backup"
        self._snapshot = self._folder / "snapshot.sqlite"
        self._suspect = self._folder / "suspect"
        self.tail = Tail(self._folder)

    def exists(self) -> bool:
        """Whether there is anything to restore from."""
        return self._snapshot.is_file()

    def suspect(self) -> None:
        """Let the next owner check the whole ledger, however large."""
        if self._folder.is_dir() and os.access(self._folder, os.W_OK):
            self._suspect.touch()

    def mend(self) -> str | None:
        """Rebuild the ledger if it is damaged or lost; returns a line that says so. Only before the owner opens it.

        Raises:
            LedgerError: it is damaged, and its backup too, or the disk is full; nothing was changed.
        """
        problem = self._problem() if self.exists() else None
        if problem is None:
            return None
        try:
            restored = self._rebuild()
        except WRITE_ERRORS as error:
            raise LedgerError(
                f"ledger {str(self.ledger)!r} {problem}, and could not be restored from "
                f"{str(self._folder)!r} ({error}); nothing was changed"
            ) from error
        damaged = self._move_aside()
        restored.rename(self.ledger)
        sync_folder(self.ledger.parent)
        self._suspect.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.ledger)) as connection:
            events, samples = (_number(connection, f"SELECT COUNT(*) FROM {name}") for name in ("events", "samples"))
        lies = f"the damaged file is {str(damaged)!r}" if damaged else "nothing was left of it"
        return (
            f"ledger {str(self.ledger)!r} {problem}: restored from its backup "
            f"with {events} events of {samples} samples; {lies}"
        )

    @contextmanager
    def kept(self, say: Callable[[str], None]) -> Iterator[None]:
        """While the block lasts, the ledger has a backup; snapshots are taken when they are due.

        Raises:
            LedgerError: a first snapshot could not be taken, for example because the disk is full.
        """
        try:
            with closing(connect(self.ledger)) as connection:
                self._begin(connection, say)
        except WRITE_ERRORS as error:
            raise LedgerError(f"ledger {str(self.ledger)!r} could not be backed up ({error})") from error
        end = threading.Event()
        thread = threading.Thread(target=self._keep, args=(end, say), name="backup", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def take(self) -> None:
        """Take a snapshot. Writers go on meanwhile: the copy reads from one moment of the write-ahead log.

        Raises:
            sqlite3.Error, OSError, TailError: the disk is full, or the copy is damaged; the old snapshot stays.
        """
        part = self._folder / "snapshot.part"
        _unlink(part)
        try:
            reached = self._copy_to(part)
        except BaseException:
            _unlink(part)  # on a full disk, half a copy would be in the way
            raise
        _put(part, self._snapshot)
        self.tail.drop_before(reached.generation)

    def _copy_to(self, part: Path) -> Position:
        with closing(connect(self.ledger)) as source, closing(sqlite3.connect(part)) as copy:
            self.tail.rotate(source)
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            check(copy)
            reached = tail.position_of(copy)
        if reached is None:
            raise TailError("the copy does not say how far it has come")
        return reached

    def is_due(self) -> bool:
        """Whether the tail has grown so long that a snapshot is worth its writing."""
        return self.tail.size() > max(LEAST_TAIL_BYTES, self.ledger.stat().st_size)

    def _begin(self, connection: sqlite3.Connection, say: Callable[[str], None]) -> None:
        known = tail.position_of(connection)
        try:
            with self.tail.transaction(connection):
                pass  # brings the ledger up to the tail's end
        except TailError as error:
            if known:
                say(f"the ledger is whole, but its backup is not ({error}); a new backup is begun")
            self.tail.begin_anew(connection)
            self.take()
            return
        if not self.exists() or self._schema_of(self._snapshot) != self._schema_of(self.ledger) or self.is_due():
            self.take()

    def _keep(self, end: threading.Event, say: Callable[[str], None]) -> None:
        while not end.wait(PERIOD_SECONDS):
            try:
                if self.is_due():
                    self.take()
            except WRITE_ERRORS as error:
                say(
                    f"no new snapshot of the ledger could be taken ({error}); the older one and the tail still cover it"
                )
                return

    def _problem(self) -> str | None:
        """What is wrong with the ledger, in words that follow on its name; None where nothing is."""
        if not self.ledger.exists():
            return "was missing"
        if not self.ledger.stat().st_size:
            return "was empty"
        try:
            with closing(connect(self.ledger)) as connection:
                if self._suspect.exists() or self.ledger.stat().st_size <= CHECKED_WHOLE_BYTES:
                    check(connection)
                    self._suspect.unlink(missing_ok=True)
                reached = tail.position_of(connection)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise LedgerError(f"ledger {str(self.ledger)!r} cannot be read ({error})") from error
            return f"was damaged ({error})"
        with closing(_read_only(self._snapshot)) as snapshot:
            saved = tail.position_of(snapshot)
        if reached is None or (saved and reached < saved):
            return "had lost what its backup has"
        return None

    def _rebuild(self) -> Path:
        """A new ledger beside the old one, on disk: the snapshot, then every line of the tail since."""
        part = self._folder / "restored.part"
        _unlink(part)
        with closing(_read_only(self._snapshot)) as snapshot, closing(sqlite3.connect(part)) as copy:
            check(snapshot)
            snapshot.backup(copy)
            copy.executescript(self._schema)
            saved = tail.position_of(copy)
            if saved is None:
                raise TailError(f"{str(self._snapshot)!r} does not say which tail it belongs to")
            copy.execute("BEGIN")
            tail.set_position(copy, self.tail.replay(copy, saved))
            copy.commit()
            check(copy)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        return part

    def _move_aside(self) -> Path | None:
        """Rename what is left of the ledger: first the file itself, so that its log is never taken for another's."""
        number = 1
        while any(self._aside(number, side).exists() for side in _SIDES):
            number += 1
        for side in _SIDES:
            path = self.ledger.with_name(self.ledger.name + side)
            if path.exists():
                path.rename(self._aside(number, side))
        sync_folder(self.ledger.parent)
        return self._aside(number, "") if self._aside(number, "").exists() else None

    def _aside(self, number: int, side: str) -> Path:
        return self.ledger.with_name(f"{self.ledger.stem}.damaged-{number}{self.ledger.suffix}{side}")

    def _schema_of(self, path: Path) -> list[tuple[str]]:
        with closing(_read_only(path)) as connection:
            return connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name").fetchall()


def check(connection: sqlite3.Connection) -> None:
    """Look through every page, and at every payload: is it text, is it JSON?

    Raises:
        sqlite3.DatabaseError: something is damaged.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(str(found).split()))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table in tables.intersection(_PAYLOADS):
        for whole, _ in connection.execute(f"SELECT json_valid(payload), payload FROM {table}"):
            if not whole:
                raise sqlite3.DatabaseError(f"a row of {table} is no JSON")


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _put(part: Path, place: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.rename(place)
    sync_folder(place.parent)


def _unlink(part: Path) -> None:
    for side in (*_SIDES, "-journal"):
        part.with_name(part.name + side).unlink(missing_ok=True)
