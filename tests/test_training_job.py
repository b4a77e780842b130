"""A training job as a process: how it ends is recorded whatever ends it, and it resumes where it stopped."""

import fcntl
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.inspect.jobs import came
from agent.training import job as training_job
from agent.training.config import FlywheelConfig, TrainingConfig
from agent.training.flywheel import quota_weights
from agent.training.job import StopSign, is_entry_due
from agent.training.offer import ordered
from agent.training.process import JobProcess
from memory.jobs import TypeScore
from tests.running_jobs import Jobs
from tests.training_runs import begun_of, steps_of, training_profile, wait_until
from tools.train_editto import PairFilter


@pytest.fixture(autouse=True)
def _glances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_job, "GLANCE_SECONDS", 0.05)


def test_a_job_trains_on_what_was_asked_for_and_is_evaluated(tmp_path: Path) -> None:
    profile = training_profile(
        "training.min_scores={edit_applied: 0.6}", "training.edit_types=[style]", "training.overrides=[steps=9]"
    )
    jobs = Jobs(tmp_path, profile)
    job = jobs.carried()
    assert (job.status, job.exit_code, job.error, job.steps) == ("done", 0, "", 9)
    assert job.evaluation["style"].model_dump() == {"pairs": 40, "passed": 0.25}
    assert job.progress
    assert job.progress.step == 6
    [begun] = begun_of(tmp_path, job.id)
    said = begun["arguments"]
    assert isinstance(said, list)
    assert said[-4:] == ["data.min_scores.edit_applied=0.6", "data.edit_types=[style]", "data.scope=local", "steps=9"]
    assert said[:2] == ["--data", str(tmp_path / "dataset")]
    assert said[said.index("--cache") + 1] == str(tmp_path / "training" / "cache")
    *running, last = [one.status for one in jobs.kept]
    assert (set(running), last) == ({"running"}, "done")


@pytest.mark.parametrize(
    ("fate", "code", "error"),
    [
        ("fails", 1, "exit code 1: error: the data is broken; mend it"),
        ("full", 1, "exit code 1: OSError: [Errno 28] No space left on device"),
        ("killed", -9, "SIGKILL: it said nothing"),
    ],
)
def test_a_trainer_that_ends_badly_leaves_a_failed_job(tmp_path: Path, fate: str, code: int, error: str) -> None:
    job = Jobs(tmp_path, training_profile(fate=fate)).carried()
    assert (job.status, job.exit_code, job.error) == ("failed", code, error)
    assert not job.evaluation
    assert not job.is_open


def test_entries_of_progress_are_many_at_first_and_few_in_a_long_training() -> None:
    entries, last = list[float](), 0.0
    for glance in range(1, 24 * 3600):
        if is_entry_due(glance, glance - last):
            last = glance
            entries.append(last)
    assert len([at for at in entries if at <= 60]) >= 10
    assert len(entries) < 24 * 60 + 30


def test_a_trainer_that_is_not_there_leaves_a_failed_job(tmp_path: Path) -> None:
    profile = training_profile("training.command=[/no/such/trainer]")
    job = Jobs(tmp_path, profile).carried()
    assert (job.status, job.error) == (
        "failed",
        "exit code 127: '/no/such/trainer' cannot be run: No such file or directory",
    )


def test_a_job_whose_folder_cannot_be_made_fails(tmp_path: Path) -> None:
    (tmp_path / "training").write_text("in the way")
    job = Jobs(tmp_path, training_profile()).carried()
    assert job.status == "failed"
    assert job.error.startswith("it could not be started: ")


@pytest.mark.parametrize("fate", ["done", "fails"])
def test_a_job_that_cannot_say_how_it_ended_is_known_by_what_it_left(tmp_path: Path, fate: str) -> None:
    (tmp_path / "training" / "job-0001" / ".outcome.json").mkdir(parents=True)
    job = Jobs(tmp_path, training_profile(fate=fate)).carried()
    assert job.status == ("done" if fate == "done" else "failed")
    said = job.evaluation_error if fate == "done" else job.error
    assert said.startswith("its process ended without a word (IsADirectoryError: ")


def test_a_job_on_another_host_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.training.job.LINGER_SECONDS", 0.0)
    jobs = Jobs(tmp_path, training_profile())
    job = ordered(jobs.runner.profile.training, "tiny", PairFilter(), "end", (), 7)
    folder = jobs.runner.folder(job)
    folder.mkdir(parents=True)
    (folder / "outcome.json").write_text('{"status": "stopped"}')
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    running = {"status": "running", "host": "elsewhere", "pid": stranger.pid}
    try:
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            threading.Timer(1.0, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
            assert jobs.carried(job.model_copy(update=running)).status == "stopped"
        assert stranger.poll() is None, "a process of this host that has its number"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_job_whose_folder_was_removed_fails(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile())
    job = ordered(jobs.runner.profile.training, "tiny", PairFilter(), "end", (), 7)
    job = jobs.carried(job.model_copy(update={"status": "running", "lost": 2}))
    assert (job.status, job.error) == ("failed", "its process ended without a word, and its folder is gone")


def test_an_edit_type_is_worth_the_pairs_that_could_be_decided(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(
        '{"by_edit_type": {"style": {"pairs": 40, "decided": 2, "passed": 0.5}, "add": {"pairs": 3, "passed": 1}}}'
    )
    found = JobProcess(tmp_path).evaluation()
    assert found == {"style": TypeScore(pairs=2, passed=0.5), "add": TypeScore(pairs=3, passed=1)}


@pytest.mark.parametrize(("figures", "why"), [("broken", "error: no test pairs"), ("[]", "AttributeError: 'list'")])
def test_an_evaluation_that_fails_leaves_the_training_done(tmp_path: Path, figures: str, why: str) -> None:
    job = Jobs(tmp_path, training_profile(figures=figures)).carried()
    assert (job.status, job.evaluation) == ("done", {})
    assert job.evaluation_error.startswith(why)


def test_while_a_job_is_evaluated_it_is_said_to_be_trained(tmp_path: Path) -> None:
    evaluator = 'training.evaluate_command=[sh, -c, "sleep 1; exit 1", evaluator]'
    jobs = Jobs(tmp_path, training_profile(evaluator, "training.overrides=[steps=6]"))
    job = jobs.carried()
    assert job.evaluation_error
    assert f"{job.id}: trained; its evaluation goes on, on split 'test'" in jobs.said
    assert f"{job.id}: all 6 steps made, loss 0.1667" in jobs.said
    jobs = Jobs(tmp_path / "other", training_profile("training.evaluate_on=none"))
    assert jobs.carried().status == "done"
    assert not any("its evaluation goes on" in text for text in jobs.said)


def test_a_stopped_job_goes_on_where_it_was(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(pace=0.2))
    job = jobs.carried(stop=1)
    assert (job.status, job.exit_code, job.is_open) == ("stopped", 1, True)
    assert came(job).endswith("; the next agent.run goes on with it")
    assert "goes on" not in came(job.model_copy(update={"given_up": True}))
    done_before = steps_of(tmp_path, job.id)
    assert 0 < len(done_before) < 6
    jobs.stop.lift()
    job = jobs.carried(job)
    assert job.status == "done"
    assert steps_of(tmp_path, job.id) == [1, 2, 3, 4, 5, 6], "no step was done twice"
    first, second = begun_of(tmp_path, job.id)
    assert first["arguments"] == second["arguments"]
    assert second["first"] == len(done_before) + 1


@pytest.mark.parametrize(("asked", "seconds"), [(1, 0.4), (2, 300.0)])
def test_a_job_that_does_not_stop_is_killed_in_time_or_when_asked_twice(
    tmp_path: Path, asked: int, seconds: float
) -> None:
    profile = training_profile(f"training.stop_seconds={seconds}", pace=0.7, fate="deaf")
    job = Jobs(tmp_path, profile).carried(stop=asked)
    assert job.status == "stopped"
    assert job.error == ("it did not stop within 0.4 s and was killed" if asked == 1 else "it was killed")
    assert not JobProcess(tmp_path / "training" / job.id).is_alive()


def test_an_evaluation_is_not_waited_for_when_its_job_is_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_job, "STOP_EVALUATION_SECONDS", 0.2)
    is_deaf = tmp_path / "deaf"
    deaf = f"training.evaluate_command=[sh, -c, \"trap '' INT; touch '{is_deaf}'; sleep 60\", evaluator]"
    jobs = Jobs(tmp_path, training_profile(deaf, "training.overrides=[steps=6]"))

    def say(line: str) -> None:
        if "its evaluation goes on" in line:
            while not is_deaf.exists():  # until then it would end at the first signal
                time.sleep(0.02)
            jobs.stop.ask()

    jobs.hear(say)
    job = jobs.carried()
    assert (job.status, job.error) == ("stopped", "it did not stop within 0.2 s and was killed")
    assert job.is_open


def test_a_limit_and_a_person_ask_for_the_same_once() -> None:
    sign = StopSign()
    sign.limit = True
    assert sign.asked == 1
    sign.ask()
    assert sign.asked == 1, "what it has is saved all the same"
    sign.ask()
    assert sign.asked == 2
    sign.lift()
    assert sign.asked == 0


def test_a_job_whose_campaign_died_is_taken_up_and_one_that_died_with_it_resumed(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, training_profile(pace=0.1))
    left = jobs.carried(leave=True)
    assert left.status == "running"
    assert jobs.said[-1] == "job-0001: goes on by itself; the next agent.run on this run takes it up"
    again = Jobs(tmp_path, training_profile(pace=0.1))
    assert again.carried(left).status == "done"
    assert len(begun_of(tmp_path, left.id)) == 1, "its process was never begun again"
    assert again.carried(left).status == "done", "even if it ended with nobody there to see it"

    other = ordered(TrainingConfig(recipes=("tiny",)), "tiny", PairFilter(), "end", (left,), 7)
    left = jobs.carried(other, leave=True)
    os.killpg(left.pid, signal.SIGKILL)
    wait_until(lambda: not JobProcess(tmp_path / "training" / left.id).is_alive())
    job = again.carried(left)
    assert (job.status, job.lost) == ("done", 1)
    assert steps_of(tmp_path, job.id) == [1, 2, 3, 4, 5, 6]
    lost = left.model_copy(update={"lost": 2})
    (tmp_path / "training" / lost.id / "outcome.json").unlink()
    (tmp_path / "training" / lost.id / "editto" / "editto.json").unlink()
    assert again.carried(lost).status == "failed", "not for ever"


LEAST, MOST = 0.5, 2.0
scores = st.builds(
    TypeScore, pairs=st.integers(0, 500), passed=st.none() | st.floats(0, 1, allow_nan=False, allow_infinity=False)
)


@given(st.dictionaries(st.sampled_from(["style", "season", "recolor", "weather"]), scores))
def test_weights_keep_their_bounds_and_fall_as_types_pass(evaluation: dict[str, TypeScore]) -> None:
    config = FlywheelConfig(on=True, least=LEAST, most=MOST)
    weights = quota_weights(evaluation, config)
    assert set(weights) == {kind for kind, one in evaluation.items() if one.pairs and one.passed is not None}
    assert all(LEAST <= weight <= MOST for weight in weights.values())
    for kind, one in evaluation.items():
        if kind in weights and one.passed and one.passed > 0.1:
            worse = evaluation | {kind: TypeScore(pairs=one.pairs, passed=one.passed - 0.1)}
            assert quota_weights(worse, config)[kind] >= weights[kind] - 1e-9


def test_a_few_pairs_hardly_count_and_many_do() -> None:
    config, rest = FlywheelConfig(on=True), TypeScore(pairs=1000, passed=0.8)
    few = quota_weights({"rest": rest, "weak": TypeScore(pairs=1, passed=0.0)}, config)["weak"]
    many = quota_weights({"rest": rest, "weak": TypeScore(pairs=200, passed=0.0)}, config)["weak"]
    assert 1.0 < few < 1.25
    assert many == 2.0
    assert quota_weights({"rest": rest}, config) == {"rest": pytest.approx(1.0)}
    perfect = TypeScore(pairs=50, passed=1.0)
    assert quota_weights({"one": perfect, "other": perfect}, config) == {"one": 1.0, "other": 1.0}
