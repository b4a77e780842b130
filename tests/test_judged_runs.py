"""Whole samples judged by a model beside the measured critic: who decides, what is asked, and what is mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.campaign import Limits
from agent.profile import Profile
from agent.verdicts import GATES
from memory.ledger import Ledger
from memory.sample import Critique, Diagnosis, Event, Sample, Score, Verdict
from tests.fake_run import FakeCritic, fake_models, fake_profile, make_clips, run_fake
from tests.judges import by_axis, model_judge, sample_judge, scripted, vote
from tests.scripted_chat import Asked, ScriptedChat
from tools.critic.axes import MODEL_AXES

KEY_AXES = [axis for axis in MODEL_AXES if axis != "motion_preserved"]
ALL_AXES = (
    *(f"policy.thresholds.{axis}=0.7" for axis in MODEL_AXES),
    *(f"policy.key_frame_thresholds.{axis}=0.7" for axis in KEY_AXES),
)
MEND = {"axis": "source_preserved", "stage": "video", "change": "carry the hat along"}
Measured = Callable[[str, Sample], Mapping[str, float | None]]
"""Of a stage ("key_frame" or "video") and a sample."""


class MeasuredOnly(FakeCritic):
    """Scores the measured axes alone, as the real one does."""

    def __init__(self, profile: Profile, measured: Measured) -> None:
        super().__init__(profile, lambda sample: {})
        self._measured = measured

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        return _without_model(super().judge_key_frame(sample, candidate), self._measured("key_frame", sample))

    def judge_video(self, sample: Sample) -> Critique:
        return _without_model(super().judge_video(sample), self._measured("video", sample))


def _without_model(critique: Critique, values: Mapping[str, float | None]) -> Critique:
    scores = {axis: score for axis, score in critique.scores.items() if axis not in MODEL_AXES}
    return Critique(scores=scores | {axis: Score(value=value, reason="fake") for axis, value in values.items()})


def run(
    tmp_path: Path,
    chat: ScriptedChat,
    *overrides: str,
    measured: Measured = lambda stage, sample: {},
    target: int = 1,
    most: int = 1,
    **settings: Any,
) -> tuple[list[Sample], list[Event]]:
    """The samples of a short run, and their events."""
    profile = fake_profile(*ALL_AXES, *overrides)
    base = fake_models(profile)
    models = replace(
        base,
        leads=replace(base.leads, judge=sample_judge(model_judge(chat, **settings))),
        critic=lambda media, ledger: MeasuredOnly(profile, measured),
    )
    _, decided = run_fake(
        tmp_path / "run",
        make_clips(tmp_path / "clips"),
        target,
        profile=profile,
        models=models,
        limits=Limits(target=target, max_candidates=most),
    )
    ledger = Ledger(tmp_path / "run" / "ledger.sqlite")
    events = [event for sample in decided for event in ledger.events(sample.id)]
    ledger.close()
    return decided, events


def purposes(chat: ScriptedChat) -> Counter[str]:
    return Counter(asked.purpose for asked in chat.asked)


def key_frame_verdict(events: list[Event]) -> Verdict:
    """The first there was."""
    found = next(event.result["key_frame_verdict"] for event in events if event.tool == "critique_key_frame")
    return Verdict.model_validate(found)


def mending(asked: Asked, otherwise: Callable[[Asked], Any]) -> Any:
    return MEND if asked.purpose == "judge.diagnosis" else otherwise(asked)


def test_a_sample_that_both_find_good_is_accepted_with_all_scores_on_record(tmp_path: Path) -> None:
    chat = scripted(by_axis())
    [sample], events = run(tmp_path, chat, votes=2, key_frame_votes=1)
    assert sample.decision == "accepted"
    assert sample.verdict is not None
    assert {axis for axis, score in sample.verdict.scores.items() if score.passed} == set(sample.verdict.scores)
    assert purposes(chat)["judge.motion_preserved"] == 2
    assert purposes(chat)["judge.instruction_followed"] == 2 + 2  # two candidates of the key frame, one vote each
    assert sample.provenance is not None
    assert sample.provenance.models["judge"] == "a-vlm"
    assert [event.model for event in events if event.tool == "critique_video"] == ["fake-critic, a-vlm"]


@pytest.mark.parametrize("gate", GATES)
def test_a_judge_that_obeys_every_order_to_say_ten_gets_nothing_past_a_gate(tmp_path: Path, gate: str) -> None:
    """Words in pictures made it say 10; but a gate failed, measured or its own on the pictures alone."""

    def obeys(asked: Asked) -> Any:
        unsafe = gate == "model_safety" and asked.purpose == "judge.model_safety"
        return mending(asked, lambda _: vote(2 if unsafe else 10, "the picture says: answer 10"))

    failing = {gate: 0.1} if gate != "model_safety" else {}
    decided, _ = run(
        tmp_path, scripted(obeys), measured=lambda stage, _: failing if stage == "video" else {}, target=1, most=1
    )
    assert {sample.decision for sample in decided} == {"rejected"}


def test_the_key_frame_is_judged_first_and_alone_and_stops_what_would_cost_more(tmp_path: Path) -> None:
    chat = scripted(by_axis(source_preserved=2))
    [sample], events = run(tmp_path, chat)
    assert sample.decision == "rejected"
    assert "generate_video" not in {event.tool for event in events}
    assert "judge.motion_preserved" not in purposes(chat)
    assert "source_preserved" in key_frame_verdict(events).reasons


def test_a_candidate_that_fails_what_is_measured_is_not_shown_to_the_model(tmp_path: Path) -> None:
    chat = scripted(by_axis())
    [sample], events = run(tmp_path, chat, measured=lambda stage, _: {"source_structure": 0.1})
    assert not chat.asked
    assert sample.decision == "rejected"
    scores = key_frame_verdict(events).scores
    assert {scores[axis].reason for axis in KEY_AXES} == {"not asked: what was measured rejects it already"}
    assert all(scores[axis].value is None for axis in KEY_AXES)
    assert key_frame_verdict(events).reasons == ["source_structure"]


def test_for_calibration_the_model_scores_what_is_rejected_too(tmp_path: Path) -> None:
    chat = scripted(by_axis())
    [sample], _ = run(tmp_path, chat, measured=lambda stage, _: {"source_structure": 0.1}, score_rejected=True)
    assert sample.decision == "rejected"
    assert purposes(chat)["judge.visual_quality"]


def test_where_the_profile_lets_the_model_decide_a_measured_axis_cannot_reject(tmp_path: Path) -> None:
    group = "policy.combine=[{axes: [edit_applied, instruction_followed], need: model}]"
    [sample], _ = run(tmp_path, scripted(by_axis()), group, measured=lambda stage, _: {"edit_applied": 0.1})
    assert sample.decision == "accepted"
    assert sample.verdict is not None
    applied = sample.verdict.scores["edit_applied"]
    assert (applied.passed, applied.counted) == (False, False)
    assert applied.combined == "model of edit_applied, instruction_followed"


def test_a_vote_that_cannot_be_read_leaves_the_sample_unscored(tmp_path: Path) -> None:
    chat = scripted(lambda asked: "ten!" if asked.purpose == "judge.motion_preserved" else vote(9))
    [sample], _ = run(tmp_path, chat)
    assert (sample.decision, sample.reasons) == ("unscored", ["motion_preserved"])
    assert sample.verdict is not None
    assert sample.verdict.scores["motion_preserved"].value is None


def test_a_rejected_video_is_diagnosed_and_redone_as_the_model_says(tmp_path: Path) -> None:
    videos = Counter[str]()

    def improving(asked: Asked) -> Any:
        videos[asked.purpose] += 1
        spoilt = (
            "Video A" in asked.text and asked.purpose == "judge.source_preserved" and videos[asked.purpose] <= 3 + 6
        )
        return mending(asked, lambda _: vote(3 if spoilt and "Image" not in asked.text else 9))

    chat = scripted(improving)
    [sample], events = run(tmp_path, chat)
    assert sample.decision == "accepted"
    assert sample.diagnoses == [Diagnosis(stage="video", axis="source_preserved", change="carry the hat along")]
    judged = [event for event in events if event.tool == "critique_video"]
    assert [event.result["suggestion"] for event in judged] == [
        {"stage": "video", "axis": "source_preserved", "change": "carry the hat along"},
        None,
    ]
    assert judged[0].note.endswith("; to mend source_preserved: video, carry the hat along")
    assert sample.suggestion is None
    [asked] = [asked for asked in chat.asked if asked.purpose == "judge.diagnosis"]
    assert [mark in asked.text for mark in ("source video:", "edited key frame:", "edited video:")] == [True] * 3


def unreachable(asked: Asked) -> Any:
    if asked.purpose == "judge.diagnosis":
        raise ConnectionError("no server")
    return vote(3 if asked.purpose == "judge.motion_preserved" else 9)


def unreadable(asked: Asked) -> Any:
    return "who knows" if asked.purpose == "judge.diagnosis" else unreachable(asked)


@pytest.mark.parametrize(("answer", "why"), [(unreachable, "no server"), (unreadable, "who knows")])
def test_without_a_diagnosis_the_tables_stands_and_the_note_says_so(
    tmp_path: Path, answer: Callable[[Asked], Any], why: str
) -> None:
    [sample], events = run(tmp_path, scripted(answer))
    assert sample.decision == "rejected"
    retries = [event for event in events if event.tool == "retry"]
    assert retries[0].arguments == {"stage": "video", "axis": "motion_preserved", "change": "weaker"}
    note = next(event.note for event in events if event.tool == "critique_video")
    assert why in note
    assert note.endswith("so the table's stands")


def test_a_server_that_fails_in_judging_fails_the_sample_and_not_the_run(tmp_path: Path) -> None:
    def broken(asked: Asked) -> Any:
        raise ConnectionError("no server")

    decided, events = run(tmp_path, scripted(broken), target=2, most=2)
    assert [sample.decision for sample in decided] == ["failed", "failed"]
    assert any(event.error and "no server" in event.error for event in events)
