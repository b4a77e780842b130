"""What the planner reads of a campaign and may call, and what becomes of each kind of answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.planner import PlannerModel
from agent.profile import ProfileError
from agent.training.config import TrainingConfig
from agent.training.offer import TrainingDesk
from agent.training.wiring import check_training
from ditto_models.call_log import ChatCall
from ditto_models.embedded.planner import RulePlanner
from memory.dataset import split_of
from memory.jobs import Job, TypeScore
from memory.ledger import Ledger
from memory.sample import AxisVerdict, Clip, Instruction, ModelCall, Sample, Scope, Verdict
from tests.fake_run import fake_profile
from tests.fakes import ScriptedPlanner, tool_call


def accepted(number: int, kind: str, scope: Scope, score: float | None) -> Sample:
    """One accepted pair, of a source of the train split."""
    names = (hashlib.sha256(f"{number}.{place}".encode()).hexdigest() for place in range(1000))
    content = next(name for name in names if split_of(name) == "train")
    axis = AxisVerdict(value=score, threshold=0.5, passed=True, reason="")
    return Sample(
        id=f"{number:06d}",
        seed=number,
        decision="accepted",
        clip=Clip(
            clip_id=str(number),
            uri="",
            sha256=content,
            start_seconds=0,
            end_seconds=1,
            fps=25,
            frames=9,
            width=64,
            height=48,
        ),
        instruction=Instruction(text="", edit_type=kind, scope=scope),
        verdict=Verdict(decision="accepted", reasons=[], rule="all_passed", scores={"edit_applied": axis}),
    )


PAIRS = [
    *(accepted(number, "style", "global", 0.6 + 0.03 * number) for number in range(10)),
    *(accepted(number, "recolor", "local", None) for number in range(10, 14)),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as opened:
        yield opened


async def keep_calls(calls: Sequence[ChatCall]) -> list[ModelCall]:
    return []


def desk(ledger: Ledger, chat: Any, config: TrainingConfig | None = None) -> TrainingDesk:
    return TrainingDesk(
        config=config or TrainingConfig(recipes=("tiny", "small"), every=5),
        table=ledger.jobs,
        model=PlannerModel(chat=chat, name="scripted"),
        seed=3,
        accepted=lambda: PAIRS,
        keep_calls=keep_calls,
    )


def answers(*given: AIMessage | Exception) -> tuple[ScriptedPlanner, list[dict[str, Any]]]:
    """A planner that gives these answers in turn, and the states that it was shown."""
    left, seen = list(given), list[dict[str, Any]]()

    def answer(state: dict[str, Any], tools: list[dict[str, Any]]) -> AIMessage:
        seen.append(state)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return ScriptedPlanner(answer=answer), seen


def test_rules_train_whenever_it_is_offered(ledger: Ledger) -> None:
    made = asyncio.run(desk(ledger, RulePlanner()).offer("new_pairs", (), 14))
    assert made
    assert (made.tool, made.job, made.by, made.error) == ("train_editto", "job-0001", "planner", None)
    assert made.arguments == {"recipe": "tiny", "scope": "both", "axis": "none", "least_score": 0.0}
    [job] = ledger.jobs.jobs()
    assert (job.status, job.recipe, job.overrides, job.steps, job.accepted) == ("waiting", "tiny", [], 40, 14)
    assert ledger.jobs.calls() == [made]


def test_the_planner_reads_the_campaign_and_chooses_what_is_trained_on(ledger: Ledger) -> None:
    before = Job(
        id="job-0001",
        why="end",
        recipe="small",
        overrides=[],
        accepted=9,
        steps=5,
        status="done",
        evaluation={"style": TypeScore(pairs=3, passed=2 / 3)},
    )
    chat, _ = answers(tool_call("train_editto", recipe="small", scope="global", axis="edit_applied", least_score=0.7))
    made = asyncio.run(desk(ledger, chat).offer("end", (before,), 5))
    assert made
    assert made.note == "job-0002: recipe 'small' on 6 pairs"
    [job] = ledger.jobs.jobs()
    assert (job.id, job.overrides) == ("job-0002", ["data.scope=global", "data.min_scores.edit_applied=0.7"])


def test_a_planner_may_decline_and_say_why(ledger: Ledger) -> None:
    chat, seen = answers(tool_call("decline_training", reason="five new pairs are too few"))
    made = asyncio.run(desk(ledger, chat).offer("new_pairs", (), 5))
    assert made
    assert (made.tool, made.job, made.note) == ("decline_training", None, "five new pairs are too few")
    assert not ledger.jobs.jobs()
    [state] = seen
    assert state["pairs"] == {"accepted": 14, "new": 5, "train": 14}
    assert state["edit_types"] == {"style": 10, "recolor": 4}
    assert state["scores"] == {"edit_applied": {"least": 0.6, "median": 0.735, "judged": 10}}
    assert state["legal"][0]["choices"]["scope"] == ["both", "global", "local"]
    assert state["legal"][0]["choices"]["axis"] == ["none", "edit_applied"]


def test_answers_that_are_no_calls_are_sent_back_then_policy_trains(ledger: Ledger) -> None:
    chat, seen = answers(
        AIMessage("let me think"),
        tool_call("accept"),
        tool_call("train_editto", recipe="wan_vace_14b", scope="both", axis="none", least_score=0.0),
    )
    made = asyncio.run(desk(ledger, chat).offer("end", (), 5))
    assert made
    assert len(seen) == 3
    assert (made.tool, made.by, made.planner_fallback) == ("train_editto", "policy", True)
    assert [refusal.problem for refusal in made.refusals] == [
        "the answer holds no tool call",
        "'accept' cannot be called now",
        "recipe must be one of tiny, small, not 'wan_vace_14b'",
    ]
    assert ledger.jobs.jobs()[0].recipe == "tiny"


def test_a_filter_that_leaves_too_little_is_told_and_asked_again_a_few_times(ledger: Ledger) -> None:
    greedy = tool_call("train_editto", recipe="tiny", scope="local", axis="edit_applied", least_score=0.9)
    chat, seen = answers(greedy, tool_call("decline_training", reason="too strict"))
    made = asyncio.run(desk(ledger, chat).offer("end", (), 5))
    assert made
    assert made.tool == "decline_training"
    first, second = ledger.jobs.calls()
    assert first.error
    assert first.error.startswith("that leaves 0 pairs to train on, expected 1 or more")
    assert seen[1]["history"] == [{"tool": "train_editto", "arguments": first.arguments, "error": first.error}]
    assert second == made
    made = asyncio.run(desk(ledger, answers(greedy, greedy, greedy)[0]).offer("end", (), 5))
    assert made
    assert made.error, "it ends"
    assert not ledger.jobs.jobs()


def test_a_planner_that_does_not_answer_is_recorded_and_nothing_is_trained(ledger: Ledger) -> None:
    chat, _ = answers(ConnectionError("no server"))
    made = asyncio.run(desk(ledger, chat).offer("end", (), 5))
    assert made
    assert (made.tool, made.error, made.job) == ("plan", "ConnectionError: no server", None)
    assert [call.error for call in ledger.jobs.calls()] == ["ConnectionError: no server"]


def test_too_little_to_train_on_is_not_offered(ledger: Ledger) -> None:
    config = TrainingConfig(recipes=("tiny",), every=1, min_scores={"edit_applied": 0.8}, least_pairs=5)
    assert asyncio.run(desk(ledger, RulePlanner(), config).offer("end", (), 5)) is None
    assert not ledger.jobs.calls()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("training.recipes=[nonsense]", "training.recipes: recipe 'nonsense' not found"),
        ("training.overrides=[steps=none]", "training.recipes: recipe .*: steps"),
        ("training.min_scores={beauty: 0.5}", "no pair is scored on beauty; expected some of distinct"),
    ],
)
def test_settings_that_no_job_could_use_are_refused_before_the_campaign(override: str, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        check_training(fake_profile("training.at_end=true", override))


def test_samples_depend_on_training_only_where_the_flywheel_turns() -> None:
    plain = fake_profile()
    assert fake_profile("training.every=3", "training.recipes=[tiny]").hash == plain.hash
    assert fake_profile("training.flywheel.on=true").hash != plain.hash
