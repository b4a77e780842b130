"""Retention: what goes of rejected samples, what must never go, and what a person still sees."""

import json
import random
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.orders import order_override
from agent.session import Session
from memory.artifacts import ArtifactStore
from memory.dataset import read_metadata
from memory.ledger import Ledger, Row
from memory.references import references
from memory.sample import Event, Sample
from tests.commands import call, line_of, problem_of
from tests.fake_run import campaign_of, fake_models, fake_profile, make_clips, run_fake

pytestmark = pytest.mark.slow

FATES: Mapping[str, Mapping[str, float | None]] = {
    "000001": {"safety": 0.1},
    "000002": {"source_motion": None},
    "000004": {"safety": 0.1},
}


def run_with(run: Path, clips: Path, kept: str, target: int = 3, **given: object) -> None:
    profile = fake_profile(f"retention.rejected={kept}")
    models = fake_models(profile, values=lambda sample: FATES.get(sample.id[:6], {}))
    limits = Limits(target=target, concurrency=2)
    run_fake(run, clips, target=target, profile=profile, models=models, limits=limits, **given)  # type: ignore[arg-type]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return make_clips(tmp_path / "clips")


def rows_of(run: Path) -> list[Row]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        return list(ledger.rows())


def stored(run: Path) -> set[str]:
    return {f"{path.parent.name}{path.name}" for path in (run / "artifacts").glob("??/*")}


def named_by(run: Path, *decisions: str | None) -> set[str]:
    """Every artifact that events of samples of these decisions refer to."""
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        samples = [row.sample.id for row in ledger.rows() if row.sample.decision in decisions]
        return {reference for sample in samples for reference in ledger.artifacts(sample)}


@pytest.mark.parametrize("kept", ["kept", "thinned", "dropped"])
def test_what_stays_of_samples_that_became_no_pairs(tmp_path: Path, clips: Path, kept: str) -> None:
    run = tmp_path / "run"
    run_with(run, clips, kept)
    needed, given_up = (
        named_by(run, "accepted", None),
        [row for row in rows_of(run) if row.sample.decision != "accepted"],
    )
    assert {row.sample.decision for row in given_up} >= {"rejected", "unscored"}
    assert stored(run) >= needed
    assert {row.sample.artifacts for row in given_up} == {kept}
    sheets = {row.sample.sheet for row in given_up if row.sample.sheet}
    if kept == "kept":
        assert stored(run) == needed | named_by(run, "rejected", "unscored")
    else:
        assert stored(run) == needed | sheets
        assert bool(sheets) == (kept == "thinned")
        for row in given_up:
            with closing(Ledger(run / "ledger.sqlite")) as ledger:
                last = ledger.events(row.sample.id)[-1]
            assert (last.by, last.stage, last.arguments) == ("policy", "done", {"retention": kept})
            assert f"retention.rejected={kept}" in last.note


def test_a_person_still_sees_the_sheet_and_is_told_what_cannot_be_undone(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    run_with(run, clips, "thinned")
    [rejected] = [row.sample for row in rows_of(run) if row.sample.id.startswith("000001")]
    assert call("agent.inspect", run, rejected.id, "--sheet", tmp_path / "one.png").returncode == 0
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    assert "thin(" in call("agent.inspect", run, rejected.id).stdout
    assert call("agent.inspect", run, "--sheet", tmp_path / "all.png").returncode == 0
    problem = line_of(problem_of("agent.inspect", run, rejected.id, "--override", "accept", "--note", "fine"))
    assert "its files were thinned" in problem
    run_with(run, clips, "dropped", accept_changes=True)
    assert "no pictures left" in line_of(problem_of("agent.inspect", run, rejected.id, "--sheet", tmp_path / "one.png"))
    assert stored(run) == named_by(run, "accepted")
    assert json.loads(call("agent.inspect", run, rejected.id, "--json").stdout)["decision"] == "rejected"


def test_what_an_earlier_session_kept_is_given_up_when_the_setting_changes(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    run_with(run, clips, "kept")
    said: list[str] = []
    run_with(run, clips, "dropped", accept_changes=True, say=said.append)
    assert [line for line in said if "retention.rejected=dropped: giving up the artifacts of 3 earlier samples" in line]
    assert stored(run) == named_by(run, "accepted")


def test_what_was_recorded_but_not_removed_goes_at_the_next_opening(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"

    def die(session: Session) -> None:
        def removal(quiet_since: float) -> None:
            if any(row.sample.artifacts == "dropped" for row in session.stores.ledger.rows()):
                raise KeyboardInterrupt

        session.retention.remove = removal  # type: ignore[method-assign]

    with pytest.raises(KeyboardInterrupt):
        run_with(run, clips, "dropped", prepare=die)
    assert stored(run) > named_by(run, "accepted", None)
    run_with(run, clips, "dropped")
    assert stored(run) == named_by(run, "accepted", None)


def test_a_pair_that_a_person_drops_frees_what_only_it_held(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    run_with(run, clips, "dropped")
    [first, *_] = [row.sample for row in rows_of(run) if row.sample.decision == "accepted"]

    def order(session: Session) -> None:
        session.stores.ledger.add_command(order_override(first, "reject", "a halo"))

    run_with(run, clips, "dropped", prepare=order)
    run_with(run, clips, "dropped", target=4)
    assert stored(run) == named_by(run, "accepted")
    lines = list(read_metadata(run / "dataset"))
    assert len(lines) == 4
    assert first.id not in {line["id"] for line in lines}


def test_a_stop_in_the_middle_keeps_what_parked_samples_need(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"

    def stop_at_the_second_clip(session: Session) -> None:
        def listen(event: Event, sample: Sample) -> None:
            if event.tool == "critique_key_frame" and sample.id.startswith("000003"):
                campaign_of(session).stop()

        session.listeners.append(listen)

    run_with(run, clips, "dropped", prepare=stop_at_the_second_clip)
    assert None in {row.sample.decision for row in rows_of(run)}
    assert stored(run) >= named_by(run, "accepted", None)
    run_with(run, clips, "dropped")
    assert len(list(read_metadata(run / "dataset"))) == 3


def test_what_is_put_again_while_it_is_removed_is_there_afterwards(tmp_path: Path) -> None:
    """Puts and removals of the same contents at once, as of samples that share a clip."""
    store, end = ArtifactStore(tmp_path), time.monotonic() + 1.5
    begun: dict[int, float] = {}
    holders: dict[str, set[int]] = {}
    broken: list[str] = []
    lock = threading.Lock()

    def sample(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < end:
            with lock:
                begun[number] = time.monotonic()
            reference = store.put(bytes([rng.randrange(3)]), ".png")
            time.sleep(rng.random() / 500)
            with lock:  # the event is on disk
                holders.setdefault(reference, set()).add(number)
            if not (tmp_path / reference[:2] / reference[2:]).exists():
                broken.append(reference)
            time.sleep(rng.random() / 500)
            with lock:  # rejected, and no longer under way
                holders[reference].discard(number)
                del begun[number]

    removed = 0

    def remove() -> None:
        nonlocal removed
        while time.monotonic() < end:
            for path in list(tmp_path.glob("??/*")):
                with lock:
                    quiet_since = min(begun.values(), default=float("inf"))
                reference = f"{path.parent.name}{path.name}"
                removed += store.remove(reference, quiet_since, lambda which: bool(holders.get(which)))

    threads = [threading.Thread(target=sample, args=(number,)) for number in range(3)]
    threads.append(threading.Thread(target=remove))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert removed > 5
    assert broken == []


def test_references_are_found_in_any_text() -> None:
    one, two = "ab" * 32 + ".mp4", "0" * 64 + ".png"
    assert references(f'{{"a": "{one}", "b": ["{two}", "{one}"]}}') == [one, two]
    assert references(f"{'a' * 65}.mp4 {'a' * 64} {'a' * 64}.toolong") == []


def test_a_ledger_that_was_begun_without_the_index_gets_it(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    run_with(run, clips, "kept")
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        before = connection.execute("SELECT * FROM held").fetchall()
        connection.executescript("DROP TABLE held")
    run_with(run, clips, "dropped", accept_changes=True)
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        assert connection.execute("SELECT * FROM held").fetchall() == before
    assert before
    assert stored(run) == named_by(run, "accepted")
