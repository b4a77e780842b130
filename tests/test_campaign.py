"""Campaigns on fakes with the real graph, ledger, memory and dataset: every decision, budgets, stopping, resuming."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage

from agent.campaign import Limits
from agent.planner import PlannerModel
from agent.policy import max_steps
from agent.session import Session
from agent.state import fold
from ditto_models import video
from ditto_models.base import EditRequest, Frame, Mask
from memory.dataset import read_metadata
from memory.instructions import InstructionMemory
from memory.ledger import Ledger
from memory.sample import Event, Sample
from tests import fakes
from tests.fake_run import campaign_of, fake_models, fake_profile, make_clips, run_fake, spoil_clip
from tests.fakes import Answer, FakeEditor, ScriptedPlanner, random_arguments, tool_call


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return make_clips(tmp_path / "clips")


def events_of(run: Path, sample_id: str) -> list[Event]:
    ledger = Ledger(run / "ledger.sqlite")
    try:
        return ledger.events(sample_id)
    finally:
        ledger.close()


def tools_of(run: Path, sample: Sample) -> list[str]:
    return [event.tool for event in events_of(run, sample.id)]


def test_a_campaign_meets_its_target_with_different_edits(tmp_path: Path, clips: Path) -> None:
    outcome, decided = run_fake(tmp_path / "run", clips, target=4)
    assert outcome == "target met"
    assert [sample.decision for sample in decided] == ["accepted"] * 4
    lines = list(read_metadata(tmp_path / "run" / "dataset"))
    assert {line["id"] for line in lines} == {sample.id for sample in decided}
    assert len({str(line["instruction"]) for line in lines}) == 4
    assert len({str(line["edit_type"]) for line in lines}) >= 3


def test_the_fold_of_a_samples_events_is_the_sample(tmp_path: Path, clips: Path) -> None:
    _, decided = run_fake(tmp_path / "run", clips, target=2)
    for sample in decided:
        assert fold(Sample(id=sample.id, seed=sample.seed), events_of(tmp_path / "run", sample.id)) == sample


def test_the_target_counts_earlier_sessions_and_is_never_passed(tmp_path: Path, clips: Path) -> None:
    run_fake(tmp_path / "run", clips, target=2)
    outcome, decided = run_fake(tmp_path / "run", clips, target=3)
    assert (outcome, len(decided)) == ("target met", 1)
    outcome, decided = run_fake(tmp_path / "run", clips, target=3)
    assert (outcome, len(decided)) == ("target met", 0)


def test_clips_are_each_used_once_before_any_twice_then_run_out(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile("edits_per_clip=2")
    outcome, decided = run_fake(tmp_path / "run", clips, target=100, profile=profile)
    assert outcome == "clips used up"
    drawn = [sample.clip.clip_id for sample in decided if sample.clip]
    assert len(drawn) == 4
    assert len(set(drawn[:2])) == 2


def test_candidates_are_a_budget(tmp_path: Path, clips: Path) -> None:
    limits = Limits(target=100, max_candidates=3)
    outcome, decided = run_fake(tmp_path / "run", clips, target=100, limits=limits)
    assert (outcome, len(decided)) == ("candidates used up", 3)


def reject_all(value: float | None, axis: str) -> Any:
    def values(sample: Sample) -> Mapping[str, float | None]:
        return {axis: value}

    return values


def test_a_failed_axis_is_retried_with_a_diagnosis_then_rejected_within_budget(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile()
    models = fake_models(profile, values=reject_all(0.1, "edit_applied"))
    limits = Limits(target=1, max_candidates=1)
    _, [sample] = run_fake(tmp_path / "run", clips, target=1, profile=profile, models=models, limits=limits)
    assert (sample.decision, sample.reasons) == ("rejected", ["edit_applied"])
    assert sample.diagnoses[0].axis == "edit_applied"
    assert sample.attempts["generate_video"] > 1
    assert sum(sample.attempts.values()) <= max_steps(profile.policy)
    assert not list(read_metadata(tmp_path / "run" / "dataset"))


def test_a_repair_that_worked_leads_to_acceptance_and_is_offered_to_others(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile()

    def weak_at_first(sample: Sample) -> Mapping[str, float | None]:
        return {} if sample.diagnoses else {"edit_applied": 0.2}

    models = fake_models(profile, values=weak_at_first)
    offered: list[object] = []

    def prepare(session: Session) -> None:
        session.listeners.append(lambda event, sample: offered.extend(session.repairs.offered()))

    _, decided = run_fake(tmp_path / "run", clips, target=2, profile=profile, models=models, prepare=prepare)
    assert [sample.decision for sample in decided] == ["accepted", "accepted"]
    strengths = [
        event.arguments["strength"]
        for event in events_of(tmp_path / "run", decided[0].id)
        if event.tool == "edit_key_frame"
    ]
    assert strengths[1] > strengths[0]  # type: ignore[operator]
    run_fake(tmp_path / "run", clips, target=3, profile=profile, models=models, prepare=prepare)
    assert {"axis": "edit_applied", "stage": "key_frame", "change": "stronger", "times": 2} in offered


def test_flicker_is_enhanced_once_before_anything_is_redone(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile()

    def flickers(sample: Sample) -> Mapping[str, float | None]:
        return {"temporal_steadiness": 0.9 if sample.edit and sample.edit.enhanced else 0.1}

    models = fake_models(profile, values=flickers)
    _, [sample] = run_fake(tmp_path / "run", clips, target=1, profile=profile, models=models)
    assert tools_of(tmp_path / "run", sample)[-4:] == ["critique_video", "enhance_video", "critique_video", "accept"]


def test_an_axis_that_cannot_be_judged_leaves_the_sample_unscored(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile()
    models = fake_models(profile, values=reject_all(None, "source_motion"))
    limits = Limits(target=1, max_candidates=1)
    _, [sample] = run_fake(tmp_path / "run", clips, target=1, profile=profile, models=models, limits=limits)
    assert (sample.decision, sample.reasons) == ("unscored", ["source_motion"])


class BrokenEditor(FakeEditor):
    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        raise RuntimeError("out of memory")


def test_a_tool_that_breaks_fails_its_sample_and_not_the_run(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile()
    models = fake_models(profile, editor=BrokenEditor())
    limits = Limits(target=1, max_candidates=3)
    outcome, decided = run_fake(tmp_path / "run", clips, target=1, profile=profile, models=models, limits=limits)
    assert outcome == "candidates used up"
    assert {(sample.decision, *sample.reasons) for sample in decided} == {("failed", "edit_key_frame")}
    assert events_of(tmp_path / "run", decided[0].id)[-1].error == "RuntimeError: out of memory"


def test_a_clip_that_turns_unreadable_quarantines_its_sample(tmp_path: Path, clips: Path) -> None:
    def spoil(session: Session) -> None:
        asyncio.run(session.take_in())
        spoil_clip(clips / "clip0.mp4")

    limits = Limits(target=20, max_candidates=4)
    _, decided = run_fake(tmp_path / "run", clips, target=20, limits=limits, prepare=spoil)
    assert sorted(str(sample.decision) for sample in decided) == ["accepted"] * 3 + ["quarantined"]


def scripted(answer: Answer) -> PlannerModel:
    chat = ScriptedPlanner(answer=answer)
    return PlannerModel(chat=chat, name="scripted")


def test_a_planner_that_does_not_answer_fails_the_sample(tmp_path: Path, clips: Path) -> None:
    asked: list[str] = []

    def unreachable(state: dict[str, Any], tools: list[dict[str, Any]]) -> AIMessage:
        asked.append(state["stage"])
        raise ConnectionError("no planner")

    profile = fake_profile()
    models = fake_models(profile, planner=scripted(unreachable))
    limits = Limits(target=1, max_candidates=1)
    _, [sample] = run_fake(tmp_path / "run", clips, target=1, profile=profile, models=models, limits=limits)
    assert (sample.decision, sample.reasons) == ("failed", ["planner"])
    assert asked == ["described"]
    assert events_of(tmp_path / "run", sample.id)[-1].error == "ConnectionError: no planner"


def test_answers_that_are_no_legal_calls_are_mended_or_replaced_and_told(tmp_path: Path, clips: Path) -> None:
    def nonsense(state: dict[str, Any], tools: list[dict[str, Any]]) -> AIMessage:
        return AIMessage("I would rather accept it.") if state["stage"] == "described" else tool_call("accept")

    profile = fake_profile()
    models = fake_models(profile, planner=scripted(nonsense))
    _, [sample] = run_fake(tmp_path / "run", clips, target=1, profile=profile, models=models)
    assert sample.decision == "accepted"
    assert sample.planner_fallbacks == 3
    by = {event.tool: event for event in events_of(tmp_path / "run", sample.id)}
    assert by["write_instruction"].planner_fallback
    assert [refusal.problem for refusal in by["write_instruction"].refusals] == ["the answer holds no tool call"] * 3
    assert by["generate_video"].refusals[0].problem == "'accept' cannot be called now"
    assert (by["accept"].by, by["accept"].refusals) == ("planner", [])


def test_random_planners_always_end_and_never_accept_what_failed(tmp_path: Path, clips: Path) -> None:
    rng = random.Random(7)

    def anything(state: dict[str, Any], tools: list[dict[str, Any]]) -> AIMessage:
        tool = rng.choice(tools[:-1] or tools)  # reject is the last; chosen freely, it would end most samples at once
        return tool_call(tool["function"]["name"], **random_arguments(tool, rng))

    def mixed(sample: Sample) -> Mapping[str, float | None]:
        luck = random.Random(f"{sample.id} {sum(sample.attempts.values())}")
        return {"edit_applied": luck.uniform(0.3, 1), "safety": luck.choice([0.9, 0.9, 0.1])}

    profile = fake_profile("edits_per_clip=20")
    models = fake_models(profile, planner=scripted(anything), values=mixed)
    limits = Limits(target=1000, max_candidates=24)
    _, decided = run_fake(tmp_path / "run", clips, target=1000, profile=profile, models=models, limits=limits)
    assert len(decided) == 24
    assert {sample.decision for sample in decided} >= {"accepted", "rejected"}
    for sample in decided:
        assert sum(sample.attempts.values()) <= max_steps(profile.policy)
        assert sample.planner_fallbacks == 0
        if sample.decision == "accepted":
            assert sample.verdict is not None
            assert all(score.passed for score in sample.verdict.scores.values() if score.value is not None)


def test_a_stopped_run_parks_its_samples_and_goes_on_without_redoing_a_step(tmp_path: Path, clips: Path) -> None:
    def stop_soon(session: Session) -> None:
        stopped: list[str] = []

        def listen(event: Event, sample: Sample) -> None:
            if event.tool == "critique_key_frame" and not stopped:
                stopped.append(sample.id)
                campaign_of(session).stop()

        session.listeners.append(listen)

    outcome, decided = run_fake(tmp_path / "run", clips, target=2, prepare=stop_soon)
    assert outcome == "stopped"
    assert {sample.decision for sample in decided} == {None}
    outcome, decided = run_fake(tmp_path / "run", clips, target=2)
    assert outcome == "target met"
    for sample in decided:
        tools = tools_of(tmp_path / "run", sample)
        assert len(tools) == len(set(tools))


def test_the_memory_forgets_what_was_dropped_and_keeps_what_was_accepted(tmp_path: Path, clips: Path) -> None:
    profile = fake_profile()

    def first_fails(sample: Sample) -> Mapping[str, float | None]:
        return {"safety": 0.1} if sample.id.startswith("000001") else {}

    models = fake_models(profile, values=first_fails)
    limits = Limits(target=3, max_candidates=4, concurrency=1)
    _, decided = run_fake(tmp_path / "run", clips, target=3, profile=profile, models=models, limits=limits)
    with closing(InstructionMemory(tmp_path / "run" / "memory", fakes.FakeEmbedder(), 0.9)) as memory:
        edits = [sample.instruction for sample in decided if sample.instruction]
        kept = {found.text for edit in edits for found in asyncio.run(memory.nearest(edit.edit_type, edit.text, 9))}
    accepted = [sample.instruction.text for sample in decided if sample.decision == "accepted" and sample.instruction]
    assert len(edits) == len(accepted) + 1
    assert kept == set(accepted)


def test_pairs_have_the_same_frames_size_and_rate(tmp_path: Path, clips: Path) -> None:
    run_fake(tmp_path / "run", clips, target=1)
    shard = tmp_path / "run" / "dataset" / "shard-00000"
    [line] = read_metadata(shard.parent)
    source, edited = (video.read(shard / str(line[f"{half}_file_name"])) for half in ("source", "edited"))
    assert source.frames.shape == edited.frames.shape == (9, 48, 64, 3)
    assert source.fps == edited.fps == line["fps"]
    assert not np.array_equal(source.frames, edited.frames)
