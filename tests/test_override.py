"""A person moves pairs into the dataset and out of it, with or without a running owner."""

from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.inspect import __main__ as inspect
from agent.orders import order_override
from agent.session import Session
from memory.dataset import read_metadata
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Event, Sample
from tests.fake_run import make_clips, run_fake

pytestmark = pytest.mark.slow  # the embedder of the instruction memory is the real one


@pytest.fixture
def run(tmp_path: Path) -> Path:
    clips = make_clips(tmp_path / "clips")
    run_fake(tmp_path / "run", clips, target=2)
    return tmp_path / "run"


def ids(run: Path) -> list[str]:
    return [str(line["id"]) for line in read_metadata(run / "dataset")]


def test_a_rejected_pair_leaves_and_comes_back_to_its_place(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ids(run)
    assert inspect.main([str(run), before[0], "--override", "reject", "--note", "a halo"]) == 0
    assert ids(run) == before[1:]
    assert inspect.main([str(run), before[0], "--override", "accept", "--note", "good after all"]) == 0
    assert ids(run) == before
    ledger = Ledger(run / "ledger.sqlite")
    labels = [event for event in ledger.events(before[0]) if event.by == "person"]
    ledger.close()
    assert [event.arguments["note"] for event in labels] == ["a halo", "good after all"]
    assert "rejected; the dataset follows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--override", "accept"], "--override needs a SAMPLE and a --note"),
        (["nobody", "--override", "accept", "--note", "x"], "no sample 'nobody'"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_a_line(
    run: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect.main([str(run), *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_an_order_left_for_the_owner_is_carried_out_while_it_runs(run: Path, tmp_path: Path) -> None:
    gone = ids(run)[0]

    def order(session: Session) -> None:
        def leave_an_order(event: Event, sample: Sample) -> None:
            if event.tool == "sample_clip":
                row = session.stores.ledger.row(gone)
                assert row is not None
                if row.sample.decision == "accepted":
                    session.stores.ledger.add_command(order_override(row.sample, "reject", "not for us"))

        session.listeners.append(leave_an_order)

    limits = Limits(target=4, concurrency=1)
    outcome, _ = run_fake(run, tmp_path / "clips", target=4, limits=limits, prepare=order)
    assert outcome == "target met"
    assert gone not in ids(run)
    assert len(ids(run)) == 4


def test_an_order_for_a_run_that_goes_on_needs_nothing_more_of_the_person(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Owner(run):
        assert inspect.main([str(run), ids(run)[0], "--override", "reject", "--note", "x"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("left for pid ")
    assert "wait" not in said


def state_of(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file of a shard with what a rewrite would change: its inode and its time."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_both_ways_only_the_pairs_shard_is_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.dataset.PAIRS_PER_SHARD", 2)
    run = tmp_path / "run"
    run_fake(run, make_clips(tmp_path / "clips"), target=4)
    own, other = (run / "dataset" / f"shard-0000{number}" for number in (0, 1))
    gone, stays = ids(run)[0], state_of(other)
    for override in ("reject", "accept"):
        lines = (own / "metadata.jsonl").read_bytes()
        assert inspect.main([str(run), gone, "--override", override, "--note", f"to {override}"]) == 0
        assert (own / "metadata.jsonl").read_bytes() != lines
        assert state_of(other) == stays
    ledger = Ledger(run / "ledger.sqlite")
    moves = [event for event in ledger.events(gone) if event.tool == "override"]
    ledger.close()
    assert [(move.by, move.arguments["note"]) for move in moves] == [("person", "to reject"), ("person", "to accept")]
