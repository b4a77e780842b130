"""Campaigns that train: when it is offered, what becomes of the job, and of one whose campaign or process ends."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.inspect.jobs import order_training
from agent.orders import order_override
from agent.policy import Offers
from agent.session import Session
from agent.stores import open_ledger
from agent.training.config import TrainingConfig
from agent.training.offer import ordered
from memory.dataset import read_metadata
from memory.jobs import TrainingCall
from memory.ledger import Ledger
from memory.sample import Event
from tests.commands import ROOT, call, line_of, problem_of
from tests.fake_run import campaign_of, fake_profile, run_fake
from tests.training_runs import (
    begun_of,
    calls_of,
    jobs_of,
    steps_of,
    training_overrides,
    training_profile,
    wait_until,
)
from tools.train_editto import PairFilter

pytestmark = pytest.mark.usefixtures("quick_glances")


def test_a_campaign_trains_every_so_many_pairs_and_at_its_end(tmp_path: Path, train_clips: Path) -> None:
    run, said = tmp_path / "run", list[str]()
    profile = training_profile("training.every=2", "training.at_end=true")
    outcome, decided = run_fake(
        run, train_clips, 3, profile=profile, limits=Limits(target=3, concurrency=1), say=said.append
    )
    assert (outcome, len(decided)) == ("target met", 3)
    first, last = jobs_of(run)
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        steps = [event.at for sample in decided for event in ledger.events(sample.id)]
    assert not [at for at in steps if first.begun_at < at < first.ended_at], "samples waited"
    assert [(job.why, job.accepted, job.status, job.exit_code) for job in (first, last)] == [
        ("new_pairs", 2, "done", 0),
        ("end", 3, "done", 0),
    ]
    assert first.progress
    assert (first.progress.step, first.progress.steps) == (6, 40)
    assert first.evaluation["style"].passed == 0.25
    calls = calls_of(run)
    assert [(call.tool, call.by, call.model, call.job) for call in calls] == [
        ("train_editto", "planner", "rules", "job-0001"),
        ("train_editto", "planner", "rules", "job-0002"),
    ]
    assert all(call.prompt_hash for call in calls)
    frozen = (run / "training" / "job-0001" / "editto" / "snapshot.jsonl").read_text().splitlines()
    assert len(frozen) == 2
    assert len(list(read_metadata(run / "dataset"))) == 3
    assert any(line.startswith("job-0002: done") for line in said)
    outcome, decided = run_fake(run, train_clips, 3, profile=profile)
    assert (outcome, len(decided), len(jobs_of(run))) == ("target met", 0, 2), "nothing is new, so nothing is offered"


def test_a_failed_job_is_recorded_and_not_begun_again_without_new_pairs(tmp_path: Path, train_clips: Path) -> None:
    run = tmp_path / "run"
    profile = training_profile("training.at_end=true", fate="fails")
    for _ in range(2):
        assert run_fake(run, train_clips, 1, profile=profile)[0] == "target met"
        [job] = jobs_of(run)
        assert (job.status, job.exit_code) == ("failed", 1)
    good = training_profile("training.at_end=true", "training.flywheel.on=true")
    assert run_fake(run, train_clips, 2, profile=good, accept_changes=True)[0] == "target met"
    assert [job.status for job in jobs_of(run)] == ["failed", "done"]


def test_a_stopped_campaign_stops_its_job_and_the_next_goes_on_with_it_first(tmp_path: Path, train_clips: Path) -> None:
    run, said = tmp_path / "run", list[str]()
    profile = training_profile("training.every=1", pace=0.2)

    def stopping(session: Session) -> None:
        def say(line: str) -> None:
            said.append(line)
            if "begun" in line:
                campaign_of(session).stop()

        session.training.say = say

    one_by_one = Limits(target=2, concurrency=1)
    assert run_fake(run, train_clips, 2, profile=profile, prepare=stopping, limits=one_by_one)[0] == "stopped"
    [job] = jobs_of(run)
    assert job.status == "stopped"
    assert said[-1].startswith("job-0001: stopped")
    events = list[Event]()

    def hearing(session: Session) -> None:
        session.listeners.append(lambda event, sample: events.append(event))

    assert run_fake(run, train_clips, 2, profile=profile, prepare=hearing)[0] == "target met"
    first, second = jobs_of(run)
    assert (first.status, second.accepted) == ("done", 2)
    assert steps_of(run, "job-0001") == [1, 2, 3, 4, 5, 6]
    assert first.ended_at < min(event.at for event in events), "samples wait for it"


def test_samples_wait_for_a_last_training_although_a_pair_is_rejected_meanwhile(
    tmp_path: Path, train_clips: Path
) -> None:
    run = tmp_path / "run"
    profile = training_profile("training.at_end=true", pace=0.2)

    def rejecting(session: Session) -> None:
        def say(line: str) -> None:
            if line.startswith("job-0001: begun"):
                [row] = session.stores.ledger.rows("decision = 'accepted'")
                session.stores.ledger.add_command(order_override(row.sample, "reject", "not for us"))

        session.training.say = say

    outcome, decided = run_fake(run, train_clips, 1, profile=profile, prepare=rejecting)
    assert (outcome, len(decided)) == ("target met", 2)
    [job] = jobs_of(run)
    assert (job.why, job.status) == ("end", "done")
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        steps = [event for sample in decided for event in ledger.events(sample.id) if event.tool != "override"]
    assert not [event for event in steps if job.begun_at < event.at < job.ended_at]
    assert [event for event in steps if event.at > job.ended_at], "the run went on after it"


def test_a_person_begins_a_training_and_gives_one_up(tmp_path: Path, train_clips: Path) -> None:
    run = tmp_path / "run"
    run_fake(run, train_clips, 1)
    assert "carries it out" in call("agent.inspect", run, "--train", "start").stdout
    profile = training_profile(pace=1.0)

    def giving_up(session: Session) -> None:
        def say(line: str) -> None:
            if "begun" in line:
                order_training(run, "stop")

        session.training.say = say

    assert run_fake(run, train_clips, 2, profile=profile, prepare=giving_up)[0] == "target met"
    [job] = jobs_of(run)
    assert (job.why, job.status, job.given_up) == ("person", "stopped", True)
    assert [(one.tool, one.by) for one in calls_of(run)] == [("train_editto", "person")]
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        assert not ledger.open_commands()
    shown = call("agent.inspect", run, "--job", "job-0001")
    assert "given up" in shown.stdout
    assert "the editor is in" not in call("agent.inspect", run).stdout
    assert "train_editto by person" in shown.stdout
    assert "expected one of job-0001" in line_of(problem_of("agent.inspect", run, "--job", "job-9"))


def test_a_campaign_that_is_killed_leaves_its_job_to_the_next(tmp_path: Path, train_clips: Path) -> None:
    run = tmp_path / "run"
    told = ["training.every=1", "training.evaluate_on=none", *training_overrides(pace=0.3)]
    command = [sys.executable, "-m", "tests.fake_worker", str(run), str(train_clips), "1", *told]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_until((run / "training" / "job-0001" / "editto" / "saved.json").exists)
    process.kill()
    process.wait()
    profile = fake_profile("retention.rejected=kept", *told)
    assert run_fake(run, train_clips, 1, profile=profile, seed=0)[0] == "target met"
    [job] = jobs_of(run)
    assert job.status == "done"
    assert len(begun_of(run, job.id)) == 1
    assert steps_of(run, job.id) == [1, 2, 3, 4, 5, 6]


def test_weak_edit_types_are_asked_for_more_and_the_trace_says_by_which_job(tmp_path: Path, train_clips: Path) -> None:
    run = tmp_path / "run"
    figures = {"lighting": (200, 0.0), "weather": (200, 1.0), "season": (200, 1.0)}
    profile = training_profile("training.at_end=true", "training.flywheel.on=true", figures=figures)
    run_fake(run, train_clips, 1, profile=profile)
    [job] = jobs_of(run)
    assert job.quota
    assert job.quota.weights == {"lighting": 2.0, "weather": 0.5, "season": 0.5}
    assert sum(job.quota.uses.values()) == 1
    books = list[Offers]()

    def looking(session: Session) -> None:
        session.listeners.append(lambda event, sample: books.append(session.steps.offers(sample)))

    _, [sample] = run_fake(run, train_clips, 2, profile=profile, prepare=looking)
    offered = next(offers for offers in books if offers.edit_types)
    assert offered.weighted_by == "job-0001"
    assert offered.weights["lighting"] == 2.0
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        [written] = [event for event in ledger.events(sample.id) if event.tool == "write_instruction"]
    assert "by the evaluation of job-0001" in written.note
    shown = call("agent.inspect", run, "--job", "job-0001")
    assert "2.00" in shown.stdout
    editor = str(run / "training" / "job-0001" / "editto")
    assert f"editor         {editor}" in shown.stdout
    assert f"; the editor is in {editor!r}" in call("agent.inspect", run).stdout


def test_jobs_come_back_with_a_ledger_that_was_lost(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    config = TrainingConfig(recipes=("tiny",))
    with open_ledger(tmp_path / "run", print) as ledger:
        job = ordered(config, "tiny", PairFilter(), "end", (), 3)
        ledger.jobs.put(job)
        ledger.jobs.put(job.model_copy(update={"status": "failed"}))
        made = TrainingCall(why="end", accepted=3, tool="decline_training", arguments={"reason": "few"}, by="planner")
        kept = ledger.jobs.add_call(made)
    (tmp_path / "run" / "ledger.sqlite").unlink()
    with open_ledger(tmp_path / "run", print) as ledger:
        assert [one.status for one in ledger.jobs.jobs()] == ["failed"]
        assert ledger.jobs.calls() == [kept]
