"""A run whose ledger is damaged: what was answered comes back, once, and the run goes on with it."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.inspect import __main__ as inspect
from memory import backup
from memory.artifacts import sync_folder
from memory.backup import Backup
from memory.dataset import read_metadata
from memory.group_commit import LedgerError
from memory.ledger import SCHEMA, Ledger
from memory.sample import Event
from memory.tail import Tail
from tests.damaged_ledger import (
    DAMAGES,
    content,
    delete,
    empty,
    garble_a_payload,
    overwrite_the_header,
    overwrite_the_middle,
    owner_opens,
)
from tests.fake_run import make_clips, run_fake

pytestmark = pytest.mark.slow


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


def before_going_on(run: Path) -> list[str]:
    """What the ledger says but for the second session, which had nothing left to do."""
    later = 'INSERT INTO "sessions" VALUES(2,'
    return [line for line in content(run / "ledger.sqlite") if not line.startswith(later)]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_ledger_comes_back_and_the_run_goes_on(
    finished: Path, run: Path, damage: Callable[[Path], None]
) -> None:
    before, whole = accepted(run), content(run / "ledger.sqlite")
    damage(run / "ledger.sqlite")
    said: list[str] = []
    go_on(run, finished / "clips", 3, said)
    assert before_going_on(run) == whole
    [line] = [line for line in said if "restored from its backup" in line]
    assert "of 3 samples" in line
    assert ("damaged-1" in line) == (damage is not delete)
    go_on(run, finished / "clips", 5)
    after = accepted(run)
    assert {sample: after[sample] for sample in before} == before
    assert len(after) == 5
    assert sorted(str(line["id"]) for line in read_metadata(run / "dataset")) == sorted(after)


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


def test_who_has_a_ledger_open_sees_the_one_that_is_restored_in_its_place(run: Path) -> None:
    path = run / "ledger.sqlite"
    with closing(Ledger(path)) as studio:
        before = studio.counts()
        overwrite_the_middle(path)
        mended, _ = owner_opens(path)
        assert mended is not None
        number = studio.add_command({"kind": "talk"})
        with closing(Ledger(path)) as owner:
            owner.finish_command(number, "done")
        assert (studio.command(number), studio.counts()) == ("done", before)


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
    assert before_going_on(run) == whole


@pytest.mark.slow
def test_kills_and_damage_in_turn_lose_and_double_nothing(tmp_path: Path) -> None:
    kill_and_damage(tmp_path, 3, random.Random(1))


@pytest.mark.soak
def test_many_kills_and_damages_lose_and_double_nothing(tmp_path: Path) -> None:
    kill_and_damage(tmp_path, 20, random.Random())


def kill_and_damage(tmp_path: Path, rounds: int, rng: random.Random) -> None:
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips", count=4)
    known: dict[str, list[Event]] = {}
    command = [sys.executable, "-m", "tests.fake_worker", str(run), str(clips), "8"]
    for _ in range(rounds):
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
