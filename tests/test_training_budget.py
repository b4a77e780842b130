"""What trainings take of GPUs counts towards a campaign's budget, and a budget that is used up stops them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.inspect.jobs import came
from agent.training.process import JobProcess
from ditto_models.train.gpus_held import gpus_held, write_gpus_held
from tests.fake_run import run_fake
from tests.running_jobs import Jobs
from tests.training_runs import jobs_of, steps_of, training_profile

pytestmark = pytest.mark.usefixtures("quick_glances")


def seconds_of(begun_at: str, ended_at: str) -> float:
    return (datetime.fromisoformat(ended_at) - datetime.fromisoformat(begun_at)).total_seconds()


def test_a_job_counts_once_for_each_gpu_and_on_a_cpu_not_at_all(tmp_path: Path) -> None:
    on_gpus = Jobs(tmp_path / "gpus", training_profile("training.evaluate_on=none", fate="on_gpus", pace=0.1)).carried()
    took = seconds_of(on_gpus.begun_at, on_gpus.ended_at)
    assert max(took, 4 * 6 * 0.1) <= on_gpus.gpu_seconds <= 4 * took + 0.1
    assert Jobs(tmp_path / "cpu", training_profile()).carried().gpu_seconds == 0


def test_its_evaluation_counts_for_one_gpu(tmp_path: Path) -> None:
    process, begun = JobProcess(tmp_path), datetime.now(UTC) - timedelta(seconds=100)
    (tmp_path / "editto").mkdir()
    write_gpus_held(tmp_path / "editto", 8)
    assert gpus_held(tmp_path / "editto") == 8
    until = datetime.now(UTC) + timedelta(seconds=50)
    assert process.gpu_seconds(begun, until) == pytest.approx(8 * 150, abs=10)
    (tmp_path / "editto" / "editto.json").write_text("{}")
    assert process.gpu_seconds(begun, until) == pytest.approx(8 * 100 + 50, abs=10)


def test_nobody_counts_the_time_that_a_killed_job_was_gone(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(fate="on_gpus", pace=0.2))
    left = jobs.carried(leave=True)
    JobProcess(jobs.runner.folder(left)).clear()
    ages_ago = left.model_copy(update={"counted_at": "2026-01-01T00:00:00.000+00:00", "begun_at": "2026-01-01"})
    (jobs.runner.folder(left) / "editto" / "log.jsonl").unlink()
    jobs.stop.ask()
    assert jobs.carried(ages_ago).gpu_seconds == left.gpu_seconds


@pytest.mark.parametrize("target", [1, 9])
def test_a_budget_that_is_used_up_stops_a_job_and_a_greater_one_goes_on_with_it(
    tmp_path: Path, train_clips: Path, target: int
) -> None:
    """Also at the target, where a campaign otherwise waits for its last training."""
    run, said = tmp_path / "run", list[str]()
    when = "training.at_end=true" if target == 1 else "training.every=1"
    profile = training_profile(when, "training.evaluate_on=none", "training.least_pairs=1", fate="on_gpus", pace=0.4)
    little = Limits(target=target, concurrency=1, gpu_hours=2 / 3600)
    outcome, _ = run_fake(run, train_clips, target, profile=profile, limits=little, say=said.append)
    assert outcome == ("target met" if target == 1 else "GPU hours used up")
    [one] = jobs_of(run)
    assert one.status == "stopped"
    assert one.gpu_seconds >= 2
    assert came(one).endswith("; the next agent.run goes on with it")
    assert "GPU hours used up: job-0001 stops here; a session that has more left goes on with it" in said
    spent = one.gpu_seconds
    run_fake(run, train_clips, target, profile=profile, limits=little)
    assert jobs_of(run)[0].gpu_seconds == spent, "not begun again with nothing left"
    more = Limits(target=1, concurrency=1, gpu_hours=1)
    assert run_fake(run, train_clips, 1, profile=profile, limits=more)[0] == "target met"
    assert (jobs_of(run)[0].status, steps_of(run, "job-0001")) == ("done", [1, 2, 3, 4, 5, 6])
    assert jobs_of(run)[0].gpu_seconds > spent


def test_time_that_is_used_up_stops_the_last_training_too(tmp_path: Path, train_clips: Path) -> None:
    run = tmp_path / "run"
    profile = training_profile("training.at_end=true", pace=5.0)
    brief = Limits(target=1, concurrency=1, wall_hours=2 / 3600)
    run_fake(run, train_clips, 1, profile=profile, limits=brief)
    assert not [one for one in jobs_of(run) if one.status == "done"], "it would take half a minute"
