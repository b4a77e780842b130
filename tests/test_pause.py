"""Sessions in the ledger; a paused campaign begins nothing, then goes on: nothing is lost or doubled."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from agent import campaign
from agent.campaign import Limits
from agent.inspect.sessions import sessions_json, told
from agent.pause import NobodyRuns, order_pause, standing
from agent.run import parser
from agent.run_arguments import told_arguments
from agent.session import Session
from memory.dataset import read_metadata
from memory.ledger import Ledger
from memory.owner import Owner, holder
from memory.sample import Event, Sample
from tests.commands import ROOT, call
from tests.fake_run import make_clips, run_fake
from tests.training_runs import clips_of_train, jobs_of, training_profile, wait_until


@pytest.fixture(autouse=True)
def _glances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "GLANCE_SECONDS", 0.05)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return make_clips(tmp_path / "clips")


def outcome_of(ledger: Ledger, number: int) -> str:
    wait_until(lambda: ledger.command(number) is not None)
    return ledger.command(number) or ""


def steps(ledger: Ledger) -> int:
    return sum(len(ledger.events(row.sample.id)) for row in ledger.rows())


class Person(threading.Thread):
    """Pauses a campaign at its third step, looks for a while, and lets it go on."""

    def __init__(self, run: Path) -> None:
        super().__init__(daemon=True)
        self.run_folder = run
        self.seen = threading.Event()
        self.counts: list[int] = []
        self.outcomes: list[str] = []
        self.standing = ""

    def prepare(self, session: Session) -> None:
        heard: list[Event] = []

        def hear(event: Event, sample: Sample) -> None:
            heard.append(event)
            if len(heard) == 3:
                self.seen.set()

        session.listeners.append(hear)
        self.start()

    def run(self) -> None:
        assert self.seen.wait(60)
        with closing(Ledger(self.run_folder / "ledger.sqlite")) as ledger:
            self.outcomes.append(outcome_of(ledger, order_pause(self.run_folder, ledger, "pause")))
            self.outcomes.append(outcome_of(ledger, order_pause(self.run_folder, ledger, "pause")))
            time.sleep(0.4)  # steps under way end
            for _ in range(2):
                self.counts.append(steps(ledger))
                time.sleep(0.4)
            last = ledger.sessions.last()
            assert last
            self.standing = f"{standing(last, self.run_folder)}; {told(last, self.run_folder)}"
            self.outcomes.append(outcome_of(ledger, order_pause(self.run_folder, ledger, "resume")))


def test_a_paused_campaign_begins_nothing_and_then_meets_its_target(tmp_path: Path, clips: Path) -> None:
    run, said = tmp_path / "run", list[str]()
    person = Person(run)
    outcome, _ = run_fake(run, clips, target=4, prepare=person.prepare, say=said.append)
    person.join(10)
    assert outcome == "target met"
    assert person.outcomes == ["done", "refused: it is paused already", "done"]
    assert person.counts[0] == person.counts[1], "a step was made in the pause"
    assert person.standing == f"paused; session 1 is paused, {holder_line()}"
    assert [line.split(":")[0] for line in said if "pause" in line] == [
        "paused by a person",
        next(line for line in said if line.startswith("goes on after a pause of")),
    ]
    lines = [str(line["id"]) for line in read_metadata(run / "dataset")]
    assert len(lines) == len(set(lines)) == 4
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        rows = list(ledger.rows())
        assert [row.number for row in rows] == list(range(1, len(rows) + 1)), "a sample was lost"
        for row in rows:
            calls = Counter((event.tool, event.attempt) for event in ledger.events(row.sample.id))
            assert max(calls.values()) == 1, "a step was made twice"
        [session] = ledger.sessions.all()
    assert (session.state, session.outcome, session.target) == ("ended", "target met", 4)
    assert 0.7 < session.paused_seconds < 60.0
    assert session.began_at < session.ended_at


def holder_line() -> str:
    return f"pid {os.getpid()} on {socket.gethostname()}"


def test_a_session_that_an_error_ends_says_so_and_later_ones_are_numbered_on(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"

    def break_it(session: Session) -> None:
        def hear(event: Event, sample: Sample) -> None:
            raise OSError(28, "No space left on device")

        session.listeners.append(hear)

    with pytest.raises(Exception, match="telling of it failed"):
        run_fake(run, clips, target=1, prepare=break_it)
    run_fake(run, clips, target=2)
    with closing(Ledger(run / "ledger.sqlite", read_only=True)) as ledger:
        first, second = ledger.sessions.all()
        records = sessions_json(ledger, run)["sessions"]
    assert first.outcome.startswith("error: RunError: event 1 is on disk")
    assert (second.number, second.outcome, second.accepted_before) == (2, "target met", 0)
    assert second.first_sample > first.first_sample
    assert [record["standing"] for record in records] == ["ended", "ended"]  # type: ignore[index, call-overload, union-attr]


def test_time_that_is_up_ends_a_paused_session_and_the_next_begins_unpaused(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"

    def pause_at_once(session: Session) -> None:
        session.stores.ledger.add_command({"kind": "pause"})

    assert run_fake(run, clips, target=1, prepare=pause_at_once)[0] == "target met"

    def pause_later(session: Session) -> None:
        def hear(event: Event, sample: Sample) -> None:
            session.stores.ledger.add_command({"kind": "pause"})

        session.listeners.append(hear)

    limits = Limits(target=50, wall_hours=2 / 3600)
    assert run_fake(run, clips, target=50, prepare=pause_later, limits=limits)[0] == "time used up"
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        accepted = ledger.counts()["accepted"]
        assert accepted < 50
        first, second = ledger.sessions.all()
        assert ledger.command(1) == "refused: it was left before this session began"
        assert (first.paused_seconds, second.paused_seconds > 0.3) == (0.0, True)
        with pytest.raises(NobodyRuns, match=r"nobody runs this campaign now; the command .* python -m agent.run"):
            order_pause(run, ledger, "pause")
    assert run_fake(run, clips, target=accepted + 2)[0] == "target met"


def test_a_look_at_the_lock_keeps_nobody_out(tmp_path: Path) -> None:
    assert holder(tmp_path) == ""
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            holder(tmp_path)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        for _ in range(20):
            with Owner(tmp_path):
                assert holder(tmp_path) == holder_line()
    finally:
        stop.set()
        looking.join()


@pytest.mark.slow
def test_a_campaign_that_is_killed_while_it_is_paused_resumes_unpaused(tmp_path: Path) -> None:
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips", count=4)
    command = [sys.executable, "-m", "tests.fake_worker", str(run), str(clips), "6"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: (run / "ledger.sqlite").exists())
        with closing(Ledger(run / "ledger.sqlite")) as ledger:
            wait_until(lambda: ledger.sessions.last() is not None)
            assert outcome_of(ledger, order_pause(run, ledger, "pause")) == "done"
            process.kill()
            process.wait()
            last = ledger.sessions.last()
            assert last
            assert (last.state, last.ended_at, standing(last, run)) == ("paused", "", "killed")
            assert "session 1 was killed" in call("agent.inspect", run).stdout
            with pytest.raises(NobodyRuns):
                order_pause(run, ledger, "resume")
    finally:
        process.kill()
        process.wait()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert "target met" in done.stdout, done.stderr
    assert len({str(line["id"]) for line in read_metadata(run / "dataset")}) == 6


def test_the_command_that_resumes_is_told_without_secrets() -> None:
    given = ["--target", "9", "--out", "runs/a", "servers.default.api_key=secret", "edits_per_clip=2"]
    told_again = told_arguments(parser().parse_intermixed_args(given))
    assert told_again == ["--target", "9", "--out", "runs/a", "edits_per_clip=2"]


def test_a_training_is_not_begun_while_the_campaign_is_paused(tmp_path: Path) -> None:
    run, profile = tmp_path / "run", training_profile("training.at_end=true")
    clips = clips_of_train(tmp_path / "clips", 2)

    def pause_it(session: Session) -> None:
        session.training.is_paused = True

    assert run_fake(run, clips, 1, profile=profile, prepare=pause_it)[0] == "target met"
    assert jobs_of(run) == []
    assert run_fake(run, clips, 1, profile=profile)[0] == "target met"
    assert [job.status for job in jobs_of(run)] == ["done"]
