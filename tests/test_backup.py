"""Snapshot and tail: whatever is written, whenever it ends, the restored ledger says the same."""

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from memory import backup
from memory.backup import Backup
from memory.group_commit import LedgerError
from memory.ledger import SCHEMA, Ledger
from memory.sample import Clip
from memory.source_table import Fate, Found, NewClip, Source
from memory.tail import Position, Tail, TailError
from tests.damaged_ledger import DAMAGES, content, overwrite_the_middle, owner_opens, write_some


def test_a_lost_write_ahead_log_is_made_up_from_the_tail(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    owner_opens(path)
    ledger = Ledger(path)
    asyncio.run(write_some(ledger, range(1, 30)))
    wal = path.with_name("ledger.sqlite-wal")
    saved, kept = path.read_bytes(), [Path(name).read_bytes() for name in sorted(tmp_path.glob("backup/*"))]
    whole = [ledger.events(row.sample.id) for row in ledger.rows()]
    ledger.close()
    path.write_bytes(saved)
    wal.unlink(missing_ok=True)
    for name, data in zip(sorted(tmp_path.glob("backup/*")), kept, strict=True):
        name.write_bytes(data)
    assert owner_opens(path) == (None, [])
    with closing(Ledger(path)) as again:
        assert [again.events(row.sample.id) for row in again.rows()] == whole


def test_whatever_is_written_and_whenever_snapshots_are_taken_the_restored_ledger_is_the_same(tmp_path: Path) -> None:
    rng, path = random.Random(3), tmp_path / "ledger.sqlite"
    owner_opens(path)
    kept = Backup(path, SCHEMA)
    for round_ in range(12):
        ledger = Ledger(path)
        for step in range(rng.randrange(6)):
            write_anything(ledger, rng, 100 * round_ + step)
        if rng.random() < 0.4:
            kept.take()
        ledger.close()
        whole = content(path)
        rng.choice(DAMAGES[:-1])(path)
        mended, _ = owner_opens(path)
        assert mended is not None
        assert content(path) == whole


def write_anything(ledger: Ledger, rng: random.Random, number: int) -> None:
    odd = 'it\'s "odd" 雪\n%s;--'
    match rng.randrange(4):
        case 0:
            asyncio.run(write_some(ledger, range(10 * number + 1, 10 * number + 1 + rng.randrange(1, 10))))
        case 1:
            clip = Clip(
                clip_id=f"c{number}",
                uri=odd,
                sha256="0" * 64,
                start_seconds=0.1 * number,
                end_seconds=1e9,
                fps=25,
                frames=25,
                width=64,
                height=48,
            )
            ledger.sources.find([Found(uri=odd, place=number, stamp=str(number))])
            made = Fate(
                source=Source(uri=odd, outcome="pending", reason=odd), stamp=odd, clips=(NewClip(clip=clip, seen=(7,)),)
            )
            ledger.sources.settle([made], made.clips)
        case 2:
            ledger.add_command({"kind": odd, "number": number})
        case 3:
            for command, _ in ledger.open_commands():
                ledger.finish_command(command, odd)


def test_an_append_whose_tail_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    asyncio.run(write_some(ledger, range(1, 2)))
    [tail] = tmp_path.glob("backup/tail-*")
    size = tail.stat().st_size

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("memory.tail.os.fdatasync", full)
        with pytest.raises(LedgerError, match="No space left"):
            asyncio.run(write_some(ledger, range(2, 3)))
    assert (ledger.events("s2"), tail.stat().st_size) == ([], size)
    asyncio.run(write_some(ledger, range(2, 3)))
    assert [row.sample.id for row in ledger.rows()] == ["s1", "s2"]
    ledger.close()


def test_a_write_whose_commit_fails_is_not_in_the_tail(tmp_path: Path) -> None:
    owner_opens(tmp_path / "ledger.sqlite")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    asyncio.run(write_some(ledger, range(1, 2)))
    sizes = [path.stat().st_size for path in tmp_path.glob("backup/tail-*")]
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        tail = Backup(tmp_path / "ledger.sqlite", SCHEMA).tail
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(
            "CREATE TABLE up (id INTEGER PRIMARY KEY);"
            "CREATE TABLE down (up INTEGER REFERENCES up (id) DEFERRABLE INITIALLY DEFERRED);"
        )

        def write() -> None:
            with tail.transaction(connection) as recording:
                recording.execute("INSERT INTO down VALUES (?)", (7,))

        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):  # only the commit finds it
            write()
    assert [path.stat().st_size for path in tmp_path.glob("backup/tail-*")] == sizes
    asyncio.run(write_some(ledger, range(1, 2)))
    ledger.close()


def test_a_line_that_the_ledger_never_got_is_carried_out_once(tmp_path: Path) -> None:
    """Killed between tail and commit: the tail is ahead by a line."""
    path = tmp_path / "ledger.sqlite"
    owner_opens(path)
    with closing(Ledger(path)) as ledger:
        asyncio.run(write_some(ledger, range(1, 3)))
    old = path.read_bytes()
    with closing(Ledger(path)) as ledger:
        asyncio.run(write_some(ledger, range(3, 4)))
    whole = content(path)
    path.write_bytes(old)
    for _ in range(3):
        assert owner_opens(path) == (None, [])
        assert content(path) == whole
    path.write_bytes(old)
    with closing(Ledger(path)) as ledger:  # not the owner: an order that somebody leaves
        ledger.add_command({"kind": "x"})
        assert [row.number for row in ledger.rows()] == [1, 2, 3]


def test_what_is_torn_at_the_end_of_the_tail_is_left_out_and_damage_before_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    owner_opens(path)
    with closing(Ledger(path)) as ledger:
        asyncio.run(write_some(ledger, range(1, 4)))
        asyncio.run(write_some(ledger, range(4, 5)))
    whole, [tail] = content(path), sorted(tmp_path.glob("backup/tail-*"))
    with tail.open("ab") as file:
        file.write(b'0badc0de {"sql": ["INSERT')
    path.unlink()
    assert owner_opens(path)[0] is not None
    assert content(path) == whole
    lines = tail.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3  # the header, and two drains; what was torn is gone
    tail.write_bytes(lines[0] + lines[1][:20] + b"X" + lines[1][21:] + lines[2])
    path.unlink()
    with pytest.raises(LedgerError, match=r"was missing, and could not be restored .* is damaged at byte \d+"):
        owner_opens(path)
    assert not path.exists()


def test_a_backup_that_is_gone_is_begun_anew_and_said(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    owner_opens(path)
    with closing(Ledger(path)) as ledger:
        asyncio.run(write_some(ledger, range(1, 4)))
    whole = content(path)
    for file in tmp_path.glob("backup/*"):
        file.unlink()
    with closing(Ledger(path)) as ledger, pytest.raises(LedgerError, match="begins a new backup"):
        ledger.add_command({"kind": "x"})
    mended, [line] = owner_opens(path)
    assert mended is None
    assert "a new backup is begun" in line
    path.unlink()
    assert owner_opens(path)[0] is not None
    assert content(path) == whole


def test_a_ledger_of_an_earlier_version_is_backed_up_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as ledger:
        asyncio.run(write_some(ledger, range(1, 4)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE tail")
    for file in tmp_path.glob("backup/*"):
        file.unlink()
    assert owner_opens(path) == (None, [])
    whole = content(path)
    path.unlink()
    assert owner_opens(path)[0] is not None
    assert content(path) == whole


def test_a_long_tail_gives_way_to_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "LEAST_TAIL_BYTES", 2000)
    monkeypatch.setattr(backup, "PERIOD_SECONDS", 0.02)
    path, kept = tmp_path / "ledger.sqlite", Backup(tmp_path / "ledger.sqlite", SCHEMA)
    said: list[str] = []
    with closing(Ledger(path)) as ledger, kept.kept(said.append):
        for number in range(1, 200):
            asyncio.run(write_some(ledger, range(number, number + 1)))
        deadline = time.monotonic() + 20
        while kept.is_due() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert said == []
    tails = sorted(tmp_path.glob("backup/tail-*"))
    assert len(tails) <= 2
    assert tails[0].name > "tail-000002.jsonl"
    whole = content(path)
    overwrite_the_middle(path)
    assert owner_opens(path)[0] is not None
    assert content(path) == whole


def test_a_snapshot_that_is_cut_off_anywhere_leaves_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "ledger.sqlite", ("rotate", "check", "sync_folder", "drop_before")

    class Cut(BaseException):
        """What a kill would be."""

    def cut(*given: object) -> None:
        raise Cut

    owner_opens(path)
    for number, step in enumerate(steps):
        with closing(Ledger(path)) as ledger:
            asyncio.run(write_some(ledger, range(10 * number + 1, 10 * number + 4)))
        with monkeypatch.context() as patched:
            patched.setattr(Tail if step in ("rotate", "drop_before") else backup, step, cut)
            with pytest.raises(Cut):
                Backup(path, SCHEMA).take()
        with closing(Ledger(path)) as ledger:
            asyncio.run(write_some(ledger, range(10 * number + 4, 10 * number + 6)))
        whole = content(path)
        path.unlink()
        assert owner_opens(path)[0] is not None
        assert content(path) == whole
    Backup(path, SCHEMA).take()
    assert len(list(tmp_path.glob("backup/tail-*"))) == 1


def test_tails_that_do_not_follow_on_each_other_are_not_replayed(tmp_path: Path) -> None:
    path, kept = tmp_path / "ledger.sqlite", Backup(tmp_path / "ledger.sqlite", SCHEMA)
    owner_opens(path)
    with closing(Ledger(path)) as ledger, closing(backup.connect(path)) as connection:
        asyncio.run(write_some(ledger, range(1, 3)))
        kept.tail.rotate(connection)
        asyncio.run(write_some(ledger, range(3, 5)))
    first = min(tmp_path.glob("backup/tail-*"))
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:-1]))
    path.unlink()
    with pytest.raises(LedgerError, match="goes on from byte"):
        owner_opens(path)
    with closing(sqlite3.connect(tmp_path / "other")) as other, pytest.raises(TailError):
        kept.tail.replay(other, Position(generation=9, bytes=0))
