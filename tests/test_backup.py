"""The ledger's backup: whatever befalls the file, what was answered comes back, once, and a run goes on with it."""

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent import inspect
from memory import backup
from memory.artifacts import sync_folder
from memory.backup import Backup
from memory.dataset import read_metadata
from memory.group_commit import LedgerError
from memory.ledger import SCHEMA, Ledger, Source
from memory.sample import Clip, Event, Sample
from memory.tail import Position, Tail, TailError
from tests.fake_run import make_clips, run_fake
from tests.test_memory import event

PAGE = 4096


def overwrite_the_middle(ledger: Path) -> None:
    """Every other page but the first."""
    with ledger.open("r+b") as file:
        for page in range(2, ledger.stat().st_size // PAGE, 2):
            file.seek(page * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


def overwrite_the_header(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.write(b"\x55" * 200)


def cut_in_half(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.truncate(ledger.stat().st_size // 2)


def empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


def empty_and_look(ledger: Path) -> None:
    """An empty file is a database to SQLite; somebody has made tables in it."""
    ledger.write_bytes(b"")
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript(SCHEMA)


def delete(ledger: Path) -> None:
    ledger.unlink()


def garble_a_payload(ledger: Path) -> None:
    """Sound pages, but a fold that is no text."""
    data = ledger.read_bytes()
    ledger.write_bytes(data.replace(b'"stage":"done"', b'"stage":"\xff\xfe\x00"'))


DAMAGES = [overwrite_the_middle, overwrite_the_header, cut_in_half, empty, empty_and_look, delete, garble_a_payload]


def content(path: Path) -> list[str]:
    """Everything a ledger says, but how far its tail has come."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if 'INTO "tail"' not in line]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips and a run that met its target."""
    folder = tmp_path_factory.mktemp("finished")
    run_fake(folder / "run", make_clips(folder / "clips"), target=3)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", finished / "run", tmp_path / "run"], check=True)
    return tmp_path / "run"


def accepted(run: Path) -> dict[str, list[Event]]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        return {row.sample.id: ledger.events(row.sample.id) for row in ledger.rows("decision = 'accepted'")}


def go_on(run: Path, clips: Path, target: int, said: list[str] | None = None) -> None:
    outcome, _ = run_fake(run, clips, target=target, say=(said if said is not None else []).append)
    assert outcome == "target met"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_ledger_comes_back_and_the_run_goes_on(
    finished: Path, run: Path, damage: Callable[[Path], None]
) -> None:
    before, whole = accepted(run), content(run / "ledger.sqlite")
    damage(run / "ledger.sqlite")
    said: list[str] = []
    go_on(run, finished / "clips", 3, said)
    assert content(run / "ledger.sqlite") == whole
    [line] = [line for line in said if "restored from its backup" in line]
    assert "of 3 samples" in line
    assert ("damaged-1" in line) == (damage is not delete)
    go_on(run, finished / "clips", 5)
    after = accepted(run)
    assert {sample: after[sample] for sample in before} == before
    assert len(after) == 5
    assert sorted(str(line["id"]) for line in read_metadata(run / "dataset")) == sorted(after)


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


async def write_some(ledger: Ledger, numbers: range) -> None:
    await asyncio.gather(*(ledger.append(event(f"s{n}"), Sample(id=f"s{n}", seed=n), n) for n in numbers))


def owner_opens(path: Path) -> tuple[str | None, list[str]]:
    said: list[str] = []
    kept = Backup(path, SCHEMA)
    mended = kept.mend()
    with closing(Ledger(path)), kept.kept(said.append):
        return mended, said


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
            ledger.set_source(Source(uri=odd, outcome="pending", reason=odd), [clip])
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


def test_who_only_looks_restores_nothing_and_says_what_will(
    run: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for damage in (overwrite_the_header, empty, delete):
        damage(run / "ledger.sqlite")
        assert inspect.main([str(run)]) == 1
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert "the next agent.run on this run" in error
        assert not list(run.glob("*damaged*"))
    go_on(run, finished / "clips", 3)
    assert inspect.main([str(run)]) == 0


def test_a_ledger_and_a_backup_that_are_both_damaged_are_left_as_they_are(run: Path, finished: Path) -> None:
    for path in (run / "ledger.sqlite", run / "backup" / "snapshot.sqlite"):
        overwrite_the_header(path)
    before = {path: path.read_bytes() for path in run.rglob("*.sqlite")}
    with pytest.raises(LedgerError, match="could not be restored"):
        run_fake(run, finished / "clips", target=3)
    assert {path: path.read_bytes() for path in run.rglob("*.sqlite")} == before


def test_a_restore_that_is_cut_off_anywhere_is_done_over(
    run: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = content(run / "ledger.sqlite")

    class Cut(BaseException):
        """What a kill would be: nothing may clean up after it."""

    for stop_at in range(8):
        trial = tmp_path / str(stop_at)
        subprocess.run(["cp", "-r", run, trial], check=True)
        for side in ("-wal", "-shm"):
            (trial / f"ledger.sqlite{side}").write_bytes(b"left over")
        overwrite_the_middle(trial / "ledger.sqlite")
        done = 0

        def counted(original: Callable[..., object], limit: int = stop_at) -> Callable[..., object]:
            def call(*given: object) -> object:
                nonlocal done
                done += 1
                if done > limit:
                    raise Cut
                return original(*given)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", counted(Path.rename))
            patched.setattr(Tail, "replay", counted(Tail.replay))
            patched.setattr(backup, "sync_folder", counted(sync_folder))
            try:
                Backup(trial / "ledger.sqlite", SCHEMA).mend()
            except Cut:
                pass
            else:
                assert stop_at >= 5
        owner_opens(trial / "ledger.sqlite")
        assert content(trial / "ledger.sqlite") == whole


def test_an_unreadable_fold_makes_the_next_owner_look_at_the_whole_of_a_large_ledger(
    run: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "CHECKED_WHOLE_BYTES", 0)
    whole = content(run / "ledger.sqlite")
    garble_a_payload(run / "ledger.sqlite")
    with pytest.raises(LedgerError, match="cannot be read"):
        run_fake(run, finished / "clips", target=3)
    go_on(run, finished / "clips", 3)
    assert content(run / "ledger.sqlite") == whole


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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_and_damage_in_turn_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    rng, run, clips = random.Random(seed), tmp_path / "run", make_clips(tmp_path / "clips", count=4)
    known: dict[str, list[Event]] = {}
    command = [sys.executable, "-m", "tests.fake_worker", str(run), str(clips), "8"]
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.2, 1.5))
        process.kill()
        process.communicate()
        if not (run / "backup" / "snapshot.sqlite").exists():
            continue
        # Looked at in a copy: whoever opens a ledger moves its log into it, and here the log is to stay.
        subprocess.run(["cp", "-r", run, tmp_path / "copy"], check=True)
        if (run / "ledger.sqlite").exists():
            known |= accepted(tmp_path / "copy")
            rng.choice(DAMAGES)(run / "ledger.sqlite")
        subprocess.run(["rm", "-r", tmp_path / "copy"], check=True)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "target met" in done.stdout
    after = accepted(run)
    assert {sample: after[sample] for sample in known} == known
    assert len(after) == 8
    for found in after.values():
        assert max(Counter((one.tool, one.attempt) for one in found).values()) == 1
    assert sorted(str(line["id"]) for line in read_metadata(run / "dataset")) == sorted(after)
