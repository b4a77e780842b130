"""The rules, checked whole: every run ends within its budgets, and nothing is accepted past a failed gate."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from agent.policy import (
    CALLS,
    CONVERSATION_CALLS,
    LEADS_TO,
    LegalCall,
    Offers,
    PolicyConfig,
    ToolName,
    calls_left,
    legal_calls,
    max_steps,
    next_stage,
)
from agent.state import apply
from agent.verdicts import GATES, diagnose, judge
from memory.sample import Critique, Edit, Event, Instruction, KeyFrame, Sample, Score, Verdict

AXES = ("edit_applied", "temporal_steadiness", *GATES)
THRESHOLDS = dict.fromkeys(AXES, 0.5)
CONFIG = PolicyConfig(thresholds=THRESHOLDS, key_frame_thresholds={"edit_applied": 0.5, "safety": 0.5})
OFFERS = Offers(edit_types=("weather", "style"), routes={"style": ("structure",), "weather": ("mask",)})

values = st.one_of(st.none(), st.floats(0, 1))
critiques = st.fixed_dictionaries(dict.fromkeys(AXES, values)).map(
    lambda found: Critique(scores={axis: Score(value=value, reason="") for axis, value in found.items()})
)


def result_of(call: LegalCall, sample: Sample, draw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a tool could bring about, and the arguments it was called with."""
    arguments = {name: draw(st.sampled_from(offered)) for name, offered in call.choices.items()}
    match call.tool:
        case "write_instruction":
            text = f"edit {sample.attempts}"
            return {
                "instruction": Instruction(
                    text=text, edit_type=arguments["edit_type"], scope=draw(st.sampled_from(("global", "local")))
                )
            }, arguments
        case "edit_key_frame":
            return {"key_frame": KeyFrame(index=0, source="s", candidates=["a"], strengths=[1.0])}, arguments
        case "critique_key_frame":
            return {"key_frame_verdict": judge(draw(critiques), CONFIG.key_frame_thresholds)}, arguments
        case "generate_video" | "enhance_video":
            enhanced = call.tool == "enhance_video"
            return {"edit": Edit(video="v", route="structure", strength=1, enhanced=enhanced)}, arguments
        case "critique_video":
            return {"verdict": judge(draw(critiques), THRESHOLDS)}, arguments
        case "retry":
            change = {"stage": arguments["stage"], "axis": arguments["axis"], "change": "more"}
            return {"diagnoses": [*sample.diagnoses, change]}, arguments
        case "accept" | "reject":
            return {"decision": f"{call.tool}ed"}, arguments
    return {}, arguments


def step(sample: Sample, call: LegalCall, draw: Any) -> Sample:
    changes, arguments = result_of(call, sample, draw)
    plain = {key: value.model_dump() if hasattr(value, "model_dump") else value for key, value in changes.items()}
    changed = Sample.model_validate(sample.model_dump() | plain)
    stage = next_stage(cast("ToolName", call.tool), changed, arguments)
    if stage == "done" and not changed.decision:
        plain["decision"] = "unscored"
    failed = call.tool in CONFIG.calls_per_sample and draw(st.integers(0, 4)) == 0
    event = Event(
        sample_id=sample.id,
        stage=sample.stage,
        next_stage=sample.stage if failed else stage,
        tool=call.tool,
        arguments=arguments,
        result={} if failed else plain,
        seconds=0,
        model_seconds=draw(st.floats(0, 200)),
        attempt=1,
        by="planner",
        error="failed" if failed else None,
    )
    return apply(sample, event)


@given(st.data())
def test_every_order_of_calls_ends_within_budget_and_accepts_only_what_passed(data: st.DataObject) -> None:
    sample = Sample(id="a", seed=1)
    steps = 0
    while sample.stage != "done":
        legal = legal_calls(sample, OFFERS, CONFIG)
        assert legal, f"nothing is legal at {sample.stage}"
        sample = step(sample, data.draw(st.sampled_from(legal)), data.draw)
        steps += 1
        assert steps <= max_steps(CONFIG)
    assert sample.decision in ("accepted", "rejected", "unscored")
    for tool, limit in CONFIG.calls_per_sample.items():
        assert sample.attempts.get(tool, 0) <= limit
    if sample.decision == "accepted":
        assert sample.verdict is not None
        assert sample.verdict.decision == "accepted"
        assert all(score.value is not None for score in sample.verdict.scores.values())
        assert all((score.value or 0) >= score.threshold for score in sample.verdict.scores.values())


@given(critiques)
def test_a_failed_gate_decides_whatever_else_was_scored(critique: Critique) -> None:
    verdict = judge(critique, THRESHOLDS)
    scores = {axis: score.value for axis, score in critique.scores.items()}
    gate_failed = any((value := scores[axis]) is not None and value < 0.5 for axis in GATES)
    assert (verdict.rule == "gate") == gate_failed
    if verdict.decision == "accepted":
        assert all(value is not None and value >= 0.5 for value in scores.values())


def test_an_axis_that_could_not_be_judged_is_unscored_not_zero() -> None:
    critique = Critique(scores={"edit_applied": Score(value=None, reason="no expectation")})
    verdict = judge(critique, {"edit_applied": 0.5})
    assert (verdict.decision, verdict.reasons) == ("unscored", ["edit_applied"])
    assert judge(critique, {"edit_applied": 0.5}, frozenset({"edit_applied"})).decision == "accepted"


def test_a_failed_axis_rejects_even_beside_one_that_could_not_be_judged() -> None:
    scores = {"edit_applied": Score(value=0.1, reason=""), "source_motion": Score(value=None, reason="")}
    verdict = judge(Critique(scores=scores), {"edit_applied": 0.5, "source_motion": 0.5})
    assert (verdict.decision, verdict.reasons, verdict.rule) == ("rejected", ["edit_applied"], "threshold")


def test_an_axis_that_nobody_judged_is_unscored() -> None:
    assert judge(Critique(scores={}), {"safety": 0.5}).decision == "unscored"


def test_accept_is_offered_only_when_the_verdict_passed() -> None:
    passed = Verdict(decision="accepted", reasons=[], rule="all_passed", scores={})
    failed = judge(Critique(scores={"safety": Score(value=0.1, reason="")}), {"safety": 0.5})
    edit = Edit(video="v", route="structure", strength=1)
    for verdict, expected in ((passed, True), (failed, False), (None, False)):
        sample = Sample(id="a", seed=1, stage="judged", verdict=verdict, edit=edit)
        legal = [call.tool for call in legal_calls(sample, OFFERS, CONFIG)]
        assert ("accept" in legal) is expected


def test_a_sample_out_of_model_seconds_can_only_end() -> None:
    sample = Sample(id="a", seed=1, stage="described", model_seconds=1e6)
    assert [call.tool for call in legal_calls(sample, OFFERS, CONFIG)] == ["reject"]
    assert calls_left(sample, "generate_video", CONFIG) == 0


def test_a_conversation_waits_for_a_person_whenever_there_is_something_to_decide() -> None:
    sample = Sample(id="a", seed=1, stage="clip", conversation=True)
    assert next_stage("describe_clip", sample, {}) == "awaiting_person", "nothing was asked for yet"
    wished = sample.model_copy(update={"wish": "snow"})
    assert next_stage("describe_clip", wished, {}) == "described"
    assert next_stage("propose_edits", wished, {}) == "awaiting_person", "a question, not a proposal"
    assert next_stage("critique_video", wished, {}) == "awaiting_person"
    for stage, tools in CONVERSATION_CALLS.items():
        at = sample.model_copy(update={"stage": stage, "model_seconds": 1e6})
        assert tuple(call.tool for call in legal_calls(at, OFFERS, CONFIG)) == tools, "one way, and the person pays"
    assert legal_calls(sample.model_copy(update={"stage": "awaiting_person"}), OFFERS, CONFIG) == ()


def test_the_diagnosis_names_the_axis_furthest_under_its_threshold() -> None:
    scores = {"edit_applied": Score(value=0.4, reason=""), "temporal_steadiness": Score(value=0.1, reason="")}
    verdict = judge(Critique(scores=scores), {"edit_applied": 0.5, "temporal_steadiness": 0.5})
    diagnosis = diagnose(verdict)
    assert diagnosis is not None
    assert diagnosis.axis == "temporal_steadiness"


def test_every_call_leads_to_a_stage_that_exists() -> None:
    assert {tool for tools in (*CALLS.values(), *CONVERSATION_CALLS.values()) for tool in tools} == set(LEADS_TO)
    assert all(stage in CALLS for stages in LEADS_TO.values() for stage in stages)
