"""Why a sample is what it is, in a sentence; and its steps, linked from failed critique to repair and back."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from agent.trace import NEXT, why
from agent.trace_steps import steps
from agent.verdicts import MENDS
from memory.sample import AxisVerdict, Decision, Diagnosis, Event, Sample, Stage, Verdict
from tests.fake_run import GOOD


def event(tool: str, seq: int = 1, **more: Any) -> Event:
    given: dict[str, Any] = {"stage": "new", "next_stage": "new", "arguments": {}, "result": {}, "by": "policy"}
    at = f"2026-01-01T00:00:{seq:02}+00:00"
    return Event(sample_id="s", tool=tool, seq=seq, at=at, seconds=1.0, attempt=1, **given | more)


def verdict(decision: str = "rejected", rule: str = "threshold", *failed: str, value: float | None = 0.3) -> Verdict:
    scores = {axis: AxisVerdict(value=GOOD, threshold=0.5, passed=True, reason="fine") for axis in MENDS}
    passed = None if value is None else False
    scores |= {axis: AxisVerdict(value=value, threshold=0.5, passed=passed, reason="seen") for axis in failed}
    return Verdict.model_validate({"decision": decision, "rule": rule, "reasons": failed, "scores": scores})


def sample(stage: Stage = "done", **more: Any) -> Sample:
    return Sample(id="s", seed=0, stage=stage, **more)


STEADY = verdict("rejected", "threshold", "temporal_steadiness")
UNSAFE = verdict("rejected", "gate", "safety")
UNSURE = verdict("unscored", "unscored", "edit_applied", value=None)
SOUND = verdict("accepted", "all_passed")


@pytest.mark.parametrize(
    ("shown", "events", "said"),
    [
        (
            sample(decision="accepted", verdict=SOUND),
            [],
            "Accepted: the video passed every axis that counts; closest to failing was edit applied: 0.90, needs 0.50.",
        ),
        (
            sample(decision="rejected", reasons=["temporal_steadiness"], verdict=STEADY),
            [],
            "Rejected after its video was judged: the edit flickers or pulses (temporal steadiness: 0.30, needs 0.50).",
        ),
        (
            sample(
                decision="rejected",
                reasons=["safety"],
                key_frame_verdict=UNSAFE,
                diagnoses=[Diagnosis(stage="key_frame", axis="safety", change="another")],
            ),
            [event("critique_key_frame")],
            "Rejected before a video was made, after 1 edit of a key frame was judged and after 1 repair: it may be "
            "unsafe (safety: 0.30, needs 0.50); a failed gate is never outweighed.",
        ),
        (
            sample(decision="rejected", reasons=["out_of_budget"]),
            [event("critique_video", result={"verdict": STEADY.model_dump()})],
            "Rejected after 1 of its videos was judged: its budget of attempts or of model time was spent; what failed "
            "last: the edit flickers or pulses (temporal steadiness: 0.30, needs 0.50).",
        ),
        (
            sample(decision="rejected", reasons=["nothing_to_edit"]),
            [],
            "Rejected before anything was edited: no edit that is left suits this clip.",
        ),
        (
            sample(decision="unscored", reasons=["edit_applied"], verdict=UNSURE),
            [],
            "Unscored, neither accepted nor rejected: edit applied could not be assessed (seen), and the instruction "
            "needs it.",
        ),
        (
            sample(decision="failed", reasons=["planner"]),
            [event("plan", error="no planner answers")],
            "Failed while deciding what to do next: no planner answers.",
        ),
        (
            sample(decision="failed", reasons=["generate_video"]),
            [event("generate_video", error="boom"), event("drop")],
            "Failed while making the video: boom.",
        ),
        (
            sample(decision="quarantined", reasons=["unreadable"]),
            [event("sample_clip", error="it holds\nno frame")],
            "Quarantined while taking a clip: it holds no frame.",
        ),
        (
            sample(decision="private", conversation=True),
            [],
            "Private: the conversation ended, and its person did not give the result to the dataset.",
        ),
        (
            sample(decision="accepted", conversation=True, consent=True, verdict=STEADY),
            [],
            "Accepted: its person keeps it, though the edit flickers or pulses (temporal steadiness: 0.30, needs "
            "0.50).",
        ),
        (
            sample("awaiting_person", conversation=True),
            [event("propose_edits", error="nobody knows how")],
            "Waits for a person; proposing edits did not work: nobody knows how.",
        ),
        (sample("generated"), [], "Under way: the video is judged next."),
        (
            sample(decision="accepted", verdict=STEADY),
            [event("reject", result={"decision": "rejected"}), event("override", arguments={"note": "a lamp"})],
            "Accepted by a person: “a lamp”; the critic's verdict was rejected (the edit flickers or pulses (temporal "
            "steadiness: 0.30, needs 0.50)).",
        ),
        (
            sample(decision="rejected", verdict=STEADY),
            [event("reject", result={"decision": "rejected"}), event("override", arguments={"note": "yes"})],
            "Rejected by a person: “yes”, as before.",
        ),
    ],
)
def test_each_outcome_is_told_in_one_sentence(shown: Sample, events: list[Event], said: str) -> None:
    assert why(shown, events) == said


def test_no_decision_and_no_stage_is_left_without_words() -> None:
    for decision in get_args(Decision):
        assert why(sample(decision=decision), []).endswith(".")
    for stage in get_args(Stage):
        said = why(sample(stage), [])
        assert said.startswith("Waits" if stage == "awaiting_person" else "Under way")
    assert set(NEXT) == set(get_args(Stage)) - {"awaiting_person", "done"}


def test_a_threshold_is_told_in_the_digits_it_has() -> None:
    near = AxisVerdict(value=0.9951, threshold=0.9999, passed=False, reason="")
    strict = STEADY.model_copy(update={"scores": {"temporal_steadiness": near}})
    said = why(sample(decision="rejected", reasons=["temporal_steadiness"], verdict=strict), [])
    assert "temporal steadiness: 0.9951, needs 0.9999" in said


def critique(seq: int, decided: Verdict) -> Event:
    return event("critique_video", seq, result={"verdict": decided.model_dump()})


def test_a_repair_is_linked_to_the_critique_that_failed_and_to_what_is_done_again() -> None:
    retry = event("retry", 3, arguments={"stage": "video", "axis": "temporal_steadiness", "change": "steadier"})
    found = steps(
        [event("generate_video", 1), critique(2, STEADY), retry, event("generate_video", 4), critique(5, SOUND)]
    )
    links = {step.number: [(link.kind, link.number) for link in step.links] for step in found}
    assert links == {
        1: [],
        2: [("led_to", 3)],
        3: [("because", 2), ("led_to", 4)],
        4: [("because", 3)],
        5: [],
    }
    assert [step.failed for step in found] == [False, True, False, False, False]
    assert found[3].links[0].words == "done again for the diagnosis of step 3 (temporal steadiness)"


def test_a_key_frame_edited_anew_is_linked_to_the_critique_and_a_tool_that_broke_off_to_its_next_attempt() -> None:
    failed = event("critique_key_frame", 3, result={"key_frame_verdict": STEADY.model_dump()})
    found = steps(
        [event("edit_key_frame", 1, error="cannot"), event("edit_key_frame", 2), failed, event("edit_key_frame", 4)]
    )
    assert [link.words for link in found[1].links] == ["after step 1 broke off"]
    assert [link.words for link in found[3].links] == ["because step 3 did not pass"]
    assert found[2].links[0].number == 4
