"""kill -9 at any moment: no accepted pair is lost or doubled, no finished step is done again."""

import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from memory.dataset import read_metadata
from memory.ledger import Ledger
from memory.sample import Event
from tests.fake_run import make_clips

ROOT = Path(__file__).parent.parent
TARGET = 10


def start(run: Path, clips: Path) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "tests.fake_worker",
        str(run),
        str(clips),
        str(TARGET),
        "retention.rejected=thinned",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def ledger_of(run: Path) -> tuple[dict[str, list[Event]], set[str]]:
    ledger = Ledger(run / "ledger.sqlite")
    rows = list(ledger.rows())
    events = {row.sample.id: ledger.events(row.sample.id) for row in rows}
    ledger.close()
    return events, {row.sample.id for row in rows if row.sample.decision == "accepted"}


def kill_and_resume(tmp_path: Path, kills: int, rng: random.Random) -> None:
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips", count=4)
    before: dict[str, list[Event]] = {}
    killed = 0
    for _ in range(kills):
        process = start(run, clips)
        time.sleep(rng.uniform(0.2, 2.0))
        process.kill()
        process.communicate()
        killed += process.returncode == -9
        if (run / "ledger.sqlite").exists():
            events, _ = ledger_of(run)
            for sample_id, known in before.items():
                assert events[sample_id][: len(known)] == known
            before = events
    assert killed
    process = start(run, clips)
    out, error = process.communicate(timeout=120)
    assert "target met" in out, error
    events, accepted = ledger_of(run)
    assert len(accepted) == TARGET
    for sample_id, known in before.items():
        assert events[sample_id][: len(known)] == known
    for found in events.values():
        assert max(Counter((event.tool, event.attempt) for event in found).values()) == 1
    check_dataset(run, accepted)
    check_artifacts(run)


def check_artifacts(run: Path) -> None:
    """Rejected samples have their contact sheets alone, and nothing that another needs went with the rest."""
    stored = {f"{path.parent.name}{path.name}" for path in (run / "artifacts").glob("??/*")}
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        samples = [row.sample for row in ledger.rows()]
        needed = {one for sample in samples if sample.decision == "accepted" for one in ledger.artifacts(sample.id)}
        given_up = [sample for sample in samples if sample.decision == "rejected"]
        sheets = {sample.sheet for sample in given_up}
        rest = {one for sample in given_up for one in ledger.artifacts(sample.id)} - sheets - needed
    assert {sample.artifacts for sample in given_up} == {"thinned"}
    assert stored >= needed | sheets
    assert not stored & rest
    assert rest
    assert len(list((run / "backup").glob("tail-*"))) <= 2


def check_dataset(run: Path, accepted: set[str]) -> None:
    lines = [str(line["id"]) for line in read_metadata(run / "dataset")]
    assert sorted(lines) == sorted(accepted)
    shard = run / "dataset" / "shard-00000"
    for folder in ("source", "edited", "key_frame_source", "key_frame_edited"):
        assert {path.stem for path in (shard / folder).iterdir()} == accepted
    assert len((run / "dataset" / "diffsynth.csv").read_text().splitlines()) == len(accepted) + 1
    assert not list((run / "artifacts" / "tmp").iterdir())


@pytest.mark.slow
def test_three_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 3, random.Random(1))


@pytest.mark.soak
def test_thirty_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 30, random.Random())


@pytest.mark.slow
def test_a_run_that_is_owned_is_refused_by_name(tmp_path: Path) -> None:
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips")
    run.mkdir()
    (run / "owner.lock").touch()
    from memory.owner import Owner

    with Owner(run):
        process = start(run, clips)
        _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "is owned by pid" in error
