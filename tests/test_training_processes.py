"""The processes of a training job: none is left behind, none is begun twice, whoever was killed at which moment."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.training import job as training_job
from agent.training.marked import mark_of, marked
from agent.training.offer import ordered
from agent.training.process import JobProcess
from agent.training.worker import Spec
from memory.jobs import Job
from tests.running_jobs import Jobs
from tests.training_runs import HERE, begun_of, steps_of, training_profile, wait_until
from tools.train_editto import PairFilter


@pytest.fixture(autouse=True)
def _glances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_job, "GLANCE_SECONDS", 0.05)


def launched(fate: str) -> str:
    """The setting that has a job started by a launcher of workers."""
    return f"training.command={json.dumps([sys.executable, str(HERE / 'fake_launcher.py'), fate])}"


def test_killing_a_job_leaves_none_of_what_its_launcher_started(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(launched("waits")))
    job = jobs.carried(stop=2)
    assert (job.status, job.error) == ("stopped", "it was killed")
    assert marked(jobs.runner.folder(job)) == []


def test_workers_of_a_launcher_that_died_do_not_outlive_its_job(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(launched("dies")))
    job = jobs.carried()
    assert (job.status, job.exit_code) == ("failed", -9)
    assert marked(jobs.runner.folder(job)) == []


def test_a_job_that_is_stopped_as_it_starts_hears_of_it_and_begins_nothing(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    process = JobProcess(tmp_path / "job-0001")
    process.start(Spec(train=["touch", str(begun)], evaluate=["touch", str(begun)]))
    process.signal(signal.SIGINT)
    wait_until(lambda: not process.is_alive())
    outcome = process.outcome()
    assert outcome
    assert (outcome.status, outcome.exit_code) == ("stopped", None)
    assert not begun.exists()


def test_only_processes_of_the_job_are_found(tmp_path: Path) -> None:
    ours, other = tmp_path / "job-0001", tmp_path / "job-00010"
    found = [
        subprocess.Popen(["sleep", "60"], env=os.environ | mark_of(folder), start_new_session=True)
        for folder in (ours, other)
    ]
    try:
        wait_until(lambda: bool(marked(ours) and marked(other)))
        assert marked(ours) == [found[0].pid]
    finally:
        for process in found:
            process.kill()
            process.wait()
    assert marked(ours) == []


def new_job(jobs: Jobs) -> Job:
    return ordered(jobs.runner.profile.training, "tiny", PairFilter(), "end", (), 7)


@pytest.mark.parametrize("status", ["waiting", "stopped"])
def test_a_job_that_runs_unknown_to_the_ledger_is_taken_up_and_not_begun_beside_itself(
    tmp_path: Path, status: str
) -> None:
    """Its campaign was killed between the start of the process and its entry."""
    jobs = Jobs(tmp_path, training_profile(pace=0.1))
    unknown = new_job(jobs).model_copy(update={"status": status})
    left = jobs.carried(unknown, leave=True)
    again = Jobs(tmp_path, training_profile(pace=0.1))
    job = again.carried(unknown)
    assert (job.status, job.error) == ("done", "")
    assert len(begun_of(tmp_path, job.id)) == 1
    assert steps_of(tmp_path, job.id) == [1, 2, 3, 4, 5, 6]
    assert again.kept[0].pid == left.pid, "so that it can be stopped"


def test_a_job_that_runs_unknown_to_the_ledger_can_be_stopped(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(pace=0.3))
    unknown = new_job(jobs)
    jobs.carried(unknown, leave=True)
    again = Jobs(tmp_path, training_profile(pace=0.3))
    again.stop.ask()
    job = again.carried(unknown)
    assert job.status == "stopped"
    assert len(steps_of(tmp_path, job.id)) < 6
    assert marked(jobs.runner.folder(job)) == []


def test_a_job_whose_folder_is_removed_while_it_runs_leaves_no_process(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(launched("waits")))
    left = jobs.carried(leave=True)
    shutil.rmtree(jobs.runner.folder(left))
    job = jobs.carried(left.model_copy(update={"lost": 2}))
    assert (job.status, job.error) == ("failed", "its process ended without a word, and its folder is gone")
    assert marked(jobs.runner.folder(job)) == []


def test_an_evaluation_that_is_killed_with_its_job_leaves_the_training_done(tmp_path: Path) -> None:
    evaluator = 'training.evaluate_command=[sh, -c, "sleep 60", evaluator]'
    jobs = Jobs(tmp_path, training_profile(evaluator, "training.overrides=[steps=6]"))

    def say(line: str) -> None:
        jobs.said.append(line)
        if "its evaluation goes on" in line:
            os.killpg(jobs.kept[-1].pid, signal.SIGKILL)

    jobs.hear(say)
    job = jobs.carried()
    assert (job.status, job.evaluation_error) == ("done", "its process ended without a word")


def test_stray_processes_of_a_job_are_gone_before_it_is_begun_again(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(launched("waits")))
    left = jobs.carried(leave=True)
    os.killpg(left.pid, signal.SIGKILL)
    process = JobProcess(jobs.runner.folder(left))
    wait_until(lambda: not process.is_alive())
    assert len(marked(process.folder)) == 2, "as torchrun's, its workers live on"
    shutil.rmtree(process.folder / "editto")
    job = Jobs(tmp_path, training_profile()).carried(left)
    assert (job.status, job.lost) == ("done", 1)
    assert marked(process.folder) == []
