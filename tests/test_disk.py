"""What a run takes of the disk, and that it stops while there is room."""

import json
import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent import disk
from agent.campaign import Limits
from agent.clip_rules import IngestConfig
from agent.disk import DiskConfig, Room, bytes_wanted, disk_use
from agent.session import Session
from memory.dataset import read_metadata
from memory.ledger import Ledger
from tests.commands import ROOT, call, line_of
from tests.fake_run import make_clips, run_fake

pytestmark = pytest.mark.slow


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return make_clips(tmp_path / "clips")


def on_disk(folder: Path) -> int:
    """Bytes of a folder's files, each once, as du counts them."""
    found = {(status := path.stat()).st_ino: 512 * status.st_blocks for path in folder.rglob("*") if path.is_file()}
    return sum(found.values())


def test_the_parts_add_up_to_the_run_with_links_counted_once(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    run_fake(run, clips, target=3)
    use = disk_use(run)
    assert use.artifacts == on_disk(run / "artifacts")
    assert use.artifacts + use.dataset == sum_of(run, "artifacts", "dataset")
    assert use.ledger == on_disk(run / "backup") + sum(512 * path.stat().st_blocks for path in run.glob("ledger*"))
    assert use.memory == on_disk(run / "memory")
    assert not use.estimated
    listed = call("agent.inspect", run).stdout
    assert "disk: artifacts " in listed
    assert json.loads(call("agent.inspect", run, "--json").stdout)["disk"]["artifacts"] == use.artifacts


def sum_of(run: Path, *folders: str) -> int:
    files = [path.stat() for folder in folders for path in (run / folder).rglob("*") if path.is_file()]
    return sum({status.st_ino: 512 * status.st_blocks for status in files}.values())


def test_what_training_takes_is_told_without_its_links_to_pairs(tmp_path: Path) -> None:
    pair, checkpoint = tmp_path / "dataset" / "pair", tmp_path / "training" / "job-0001" / "editto" / "weights"
    for path in (pair, checkpoint):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(100_000))
    (checkpoint.parent / "pair").hardlink_to(pair)
    use = disk_use(tmp_path)
    assert use.training == 512 * checkpoint.stat().st_blocks >= 100_000
    assert "training 10" in str(use)


def test_many_files_are_estimated_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    for _ in range(4000):
        name = rng.randbytes(32).hex()
        path = tmp_path / "artifacts" / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(rng.choice([100, 9000, 20_000])))
    whole = on_disk(tmp_path / "artifacts")
    assert disk_use(tmp_path).artifacts == whole
    monkeypatch.setattr(disk, "FILES_COUNTED", 800)
    use = disk_use(tmp_path)
    assert use.estimated
    assert use.artifacts == pytest.approx(whole, rel=0.1)
    assert "artifacts about " in str(use)


def test_a_disk_that_fills_up_ends_the_run_before_it_is_full_and_the_run_resumes(tmp_path: Path, clips: Path) -> None:
    left = [5e9]

    def shrink(session: Session) -> None:
        session.room = Room(config=DiskConfig(min_free_gb=2), free=lambda: int(left[0]))
        session.listeners.append(lambda event, sample: left.append(left.pop() - 0.2e9))

    limits = Limits(target=9, concurrency=2)
    outcome, decided = run_fake(tmp_path / "run", clips, target=9, limits=limits, prepare=shrink)
    assert outcome == "disk nearly full"
    assert 1 <= len(decided) < 9
    assert None not in {sample.decision for sample in decided}  # what ran was finished
    outcome, _ = run_fake(tmp_path / "run", clips, target=9)
    assert outcome == "target met"
    assert len(list(read_metadata(tmp_path / "run" / "dataset"))) == 9


def test_nothing_is_begun_with_too_little_room(tmp_path: Path, clips: Path) -> None:
    done = call("agent.run", "--target", 40, "--clips", clips, "--out", tmp_path / "run", "disk.min_free_gb=1e9")
    assert done.returncode == 1
    line = line_of(done.stderr)
    assert "is free; disk.min_free_gb=1e+09 is to stay free" in line
    assert "the target may take 180.6 MB more; make room" in line
    assert not (tmp_path / "run").exists()


def test_what_a_target_may_take_is_told_by_what_was_made_so_far() -> None:
    clips = IngestConfig(frames=49, max_width=640, max_height=360)
    assert bytes_wanted(10, clips) == pytest.approx(45.2e6, rel=0.01)
    assert bytes_wanted(10, clips, made=4, artifacts=8_000_000) == 20_000_000
    assert bytes_wanted(-3, clips) == 0
    room = Room(config=DiskConfig(min_free_gb=1), free=lambda: 3_000_000_000)
    assert (room.shortage(10**12), room.warning(10**9)) == (None, None)
    assert "may take 1.0 TB more" in str(room.warning(10**12))


def worker(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.fake_worker", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)


@pytest.mark.slow
def test_on_a_small_disk_a_run_stops_in_time(small_disk: Path, tmp_path: Path) -> None:
    clips, run = make_clips(tmp_path / "clips", count=4), small_disk / "run"
    done = worker(run, clips, 90, "edits_per_clip=30", "disk.min_free_gb=0.0035")
    assert "disk nearly full" in done.stdout, done.stderr
    made = len(list(read_metadata(run / "dataset")))
    assert made > 0
    assert os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize > 2_500_000
    subprocess.run(["cp", "-r", run, tmp_path / "run"], check=True)
    assert (
        "target met" in worker(tmp_path / "run", clips, made + 2, "edits_per_clip=30", "disk.min_free_gb=0.0035").stdout
    )


@pytest.mark.slow
def test_on_a_disk_that_is_really_full_nothing_accepted_is_lost(small_disk: Path, tmp_path: Path) -> None:
    clips, run = make_clips(tmp_path / "clips", count=4), small_disk / "run"
    done = worker(run, clips, 90, "edits_per_clip=30", "disk.min_free_gb=0")
    assert done.returncode == 1
    subprocess.run(["cp", "-r", run, tmp_path / "run"], check=True)
    with closing(Ledger(tmp_path / "run" / "ledger.sqlite")) as ledger:
        counts = ledger.counts()
    assert set(counts) <= {"accepted", "rejected", "pending"}  # no sample is blamed
    said = worker(tmp_path / "run", clips, counts["accepted"] + 4, "edits_per_clip=30", "disk.min_free_gb=0")
    assert "target met" in said.stdout, said.stderr
    assert len(list(read_metadata(tmp_path / "run" / "dataset"))) == counts["accepted"] + 4
