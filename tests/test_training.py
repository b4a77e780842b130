"""Campaigns that train: when it is offered, what becomes of the job, and of one whose campaign or process ends."""

from pathlib import Path

import pytest

from agent.campaign import Limits
from memory.dataset import read_metadata
from tests.fake_run import make_clips, run_fake
from tests.training_runs import begun_of, calls_of, jobs_of, steps_of, training_profile


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips") / "clips", count=3)


def test_a_campaign_trains_every_so_many_pairs_and_at_its_end(tmp_path: Path, clips: Path) -> None:
    run, said = tmp_path / "run", list[str]()
    profile = training_profile("training.every=2", "training.at_end=true")
    outcome, decided = run_fake(run, clips, 3, profile=profile, limits=Limits(target=3, concurrency=1), say=said.append)
    assert (outcome, len(decided)) == ("target met", 3)
    first, last = jobs_of(run)
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
    outcome, decided = run_fake(run, clips, 3, profile=profile)
    assert (outcome, len(decided), len(jobs_of(run))) == ("target met", 0, 2), "nothing is new, so nothing is offered"


def test_a_failed_job_is_recorded_and_not_begun_again_without_new_pairs(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    profile = training_profile("training.at_end=true", fate="fails")
    assert run_fake(run, clips, 2, profile=profile)[0] == "target met"
    [job] = jobs_of(run)
    assert (job.status, job.exit_code) == ("failed", 1)
    assert job.error == "exit code 1: error: the data is broken; mend it"
    assert steps_of(run, job.id) == [1, 2, 3]
    assert run_fake(run, clips, 2, profile=profile)[0] == "target met"
    assert len(jobs_of(run)) == 1
    assert run_fake(run, clips, 3, profile=training_profile("training.at_end=true"))[0] == "target met"
    assert [job.status for job in jobs_of(run)] == ["failed", "done"]
    assert begun_of(run, "job-0002")[0]["first"] == 1


def test_a_trainer_that_is_killed_fails_with_its_signal(tmp_path: Path, clips: Path) -> None:
    run = tmp_path / "run"
    assert run_fake(run, clips, 1, profile=training_profile("training.at_end=true", fate="killed"))[0] == "target met"
    [job] = jobs_of(run)
    assert (job.status, job.exit_code, job.error) == ("failed", -9, "SIGKILL: it said nothing")
