"""What people order about trainings, at every moment; and what a session that was killed owed to the next."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.inspect.jobs import order_training
from agent.pause import order_pause
from agent.session import Session
from memory.ledger import Ledger
from tests.fake_run import campaign_of, run_fake
from tests.training_runs import jobs_of, training_profile

pytestmark = pytest.mark.usefixtures("quick_glances")


@pytest.fixture
def run(tmp_path: Path, train_clips: Path) -> Path:
    """A run that has met its target of one pair."""
    assert run_fake(tmp_path / "run", train_clips, 1)[0] == "target met"
    return tmp_path / "run"


def orders_of(run: Path) -> list[tuple[int, str | None]]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        assert not ledger.open_commands()
        return [(number, ledger.command(number)) for number in range(1, 9) if ledger.command(number)]


def on_saying(words: str, do: Callable[[Session], None]) -> Callable[[Session], None]:
    """Prepares a session to do something as soon as something is said of its training."""

    def prepare(session: Session) -> None:
        def say(line: str) -> None:
            if words in line:
                do(session)

        session.training.say = say

    return prepare


def test_an_order_that_was_left_is_carried_out_although_the_target_is_met(run: Path, train_clips: Path) -> None:
    order_training(run, "start")
    assert run_fake(run, train_clips, 1, profile=training_profile())[0] == "target met"
    assert [(one.why, one.status) for one in jobs_of(run)] == [("person", "done")]
    assert orders_of(run) == [(1, "done")]


def test_orders_given_twice_are_carried_out_once(run: Path, train_clips: Path) -> None:
    said = list[str]()
    for _ in range(3):
        order_training(run, "start")

    def hearing(session: Session) -> None:
        session.training.say = said.append

    run_fake(run, train_clips, 1, profile=training_profile(), prepare=hearing)
    assert [one.status for one in jobs_of(run)] == ["done"]
    refused = "refused: another job is under way"
    assert orders_of(run) == [(1, "done"), (2, refused), (3, refused)]
    assert said.count(f"order about training: {refused}") == 2, "people hear of it"


def test_an_order_that_is_taken_back_at_once_begins_nothing(run: Path, train_clips: Path) -> None:
    order_training(run, "start")
    order_training(run, "stop")
    run_fake(run, train_clips, 1, profile=training_profile())
    assert not jobs_of(run)
    assert orders_of(run) == [(1, "withdrawn before it was begun"), (2, "done")]


def test_a_training_that_waits_for_the_next_session_can_be_given_up_before_it_goes_on(
    run: Path, train_clips: Path
) -> None:
    order_training(run, "start")
    profile = training_profile(pace=0.3)
    stopping = on_saying("begun", lambda session: campaign_of(session).stop())
    run_fake(run, train_clips, 1, profile=profile, prepare=stopping)
    assert [(one.status, one.is_open) for one in jobs_of(run)] == [("stopped", True)]
    begun_at = jobs_of(run)[0].begun_at
    order_training(run, "stop")
    order_training(run, "stop")
    assert run_fake(run, train_clips, 1, profile=profile)[0] == "target met"
    [one] = jobs_of(run)
    assert (one.status, one.given_up, one.begun_at) == ("stopped", True, begun_at)


def test_while_it_is_paused_a_training_goes_on_can_be_given_up_and_none_is_begun(run: Path, train_clips: Path) -> None:
    order_training(run, "start")
    moments = list[str]()

    def pausing(session: Session) -> None:
        def say(line: str) -> None:
            moments.append(line)
            if line.startswith("job-0001: begun"):
                order_pause(run, session.stores.ledger, "pause")
                order_training(run, "stop")
                order_training(run, "start")
            if line.startswith("job-0001: stopped"):
                assert session.tenure.is_paused
                order_training(run, "start")
                order_pause(run, session.stores.ledger, "resume")

        session.training.say = say

    run_fake(run, train_clips, 1, profile=training_profile(pace=0.3), prepare=pausing, limits=Limits(target=1))
    first, second = jobs_of(run)
    assert (first.status, first.given_up) == ("stopped", True)
    assert (second.why, second.status) == ("person", "done")
    assert [outcome for _, outcome in orders_of(run)] == [
        "done",
        "done",
        "done",
        "refused: job-0001 is under way",
        "done",
        "done",
    ], moments


def test_a_job_left_running_is_stopped_by_a_session_that_has_no_budget_for_it(run: Path, train_clips: Path) -> None:
    order_training(run, "start")
    profile = training_profile(pace=0.5, fate="on_gpus")

    def killed(session: Session) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_fake(run, train_clips, 1, profile=profile, prepare=on_saying("begun", killed))
    assert [one.status for one in jobs_of(run)] == ["running"]
    nothing = Limits(target=1, gpu_hours=0.0)
    assert run_fake(run, train_clips, 1, profile=profile, limits=nothing)[0] == "target met"
    assert [one.status for one in jobs_of(run)] == ["stopped"]


def test_the_flywheel_turns_though_its_campaign_was_killed_before_it_did(run: Path, train_clips: Path) -> None:
    order_training(run, "start")
    profile = training_profile("training.flywheel.on=true")
    run_fake(run, train_clips, 1, profile=profile, accept_changes=True)
    [one] = jobs_of(run)
    assert one.quota
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        ledger.jobs.put(one.model_copy(update={"quota": None}))  # as it was between the two entries
    run_fake(run, train_clips, 2, profile=profile)
    [again] = jobs_of(run)
    assert again.quota
    assert again.quota.weights == one.quota.weights
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        notes = [
            event.note
            for row in ledger.rows()
            for event in ledger.events(row.sample.id)
            if event.tool == "write_instruction" and "by the evaluation of job-0001" in event.note
        ]
    assert notes
