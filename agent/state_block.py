"""The state of a sample as the planner reads it: one JSON object, small enough for any model's context."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from agent.policy import LegalCall, Offers, PolicyConfig, calls_left
from agent.verdicts import diagnose
from memory.sample import Event, Sample, Verdict

HISTORY_KEPT = 12
"""Steps, newest last."""


def state_block(
    sample: Sample,
    history: Sequence[Event],
    legal: Sequence[LegalCall],
    config: PolicyConfig,
    repairs: list[JsonValue],
) -> dict[str, JsonValue]:
    """Stage, what there is so far, scores, diagnoses, budgets, what was done, and what may be called."""
    verdict = sample.verdict or sample.key_frame_verdict
    suggestion = sample.suggestion or diagnose(verdict)
    return {
        "stage": sample.stage,
        "wish": sample.wish,
        "caption": sample.description.caption if sample.description else None,
        "facts": {name: round(value, 3) for name, value in sample.description.facts.items()}
        if sample.description
        else {},
        "instruction": sample.instruction.model_dump(mode="json", exclude={"look", "result"})
        if sample.instruction
        else None,
        "key_frame": _key_frame(sample),
        "edit": sample.edit.model_dump(mode="json", exclude={"video"}) if sample.edit else None,
        "judged": "video" if sample.verdict else "key frame" if verdict else None,
        "passed": verdict.decision == "accepted" if verdict else None,
        "scores": _scores(verdict),
        "suggestion": suggestion.model_dump() if suggestion else None,
        "diagnoses": [diagnosis.model_dump() for diagnosis in sample.diagnoses],
        "repairs_that_worked": repairs,
        "calls_left": {tool: calls_left(sample, tool, config) for tool in config.calls_per_sample},
        "history": [_step(event) for event in history[-HISTORY_KEPT:]],
        "legal": [
            {"tool": call.tool, "choices": {name: list(values) for name, values in call.choices.items()}}
            for call in legal
        ],
    }


def quota_block(legal: Sequence[LegalCall], offers: Offers) -> dict[str, JsonValue]:
    """Where an edit type is to be chosen and an evaluation has a say: how much each is wanted, and whose it is."""
    if not offers.weighted_by or all(call.tool != "write_instruction" for call in legal):
        return {}
    weights: JsonValue = {kind: round(weight, 2) for kind, weight in offers.weights.items()}
    return {"wanted": {"weights": weights, "by_evaluation_of": offers.weighted_by}}


def _key_frame(sample: Sample) -> JsonValue:
    if sample.key_frame is None:
        return None
    chosen = sample.key_frame
    strengths = dict(zip(chosen.candidates, chosen.strengths, strict=True))
    best = strengths.get(chosen.chosen, chosen.strengths[0])
    return {"index": chosen.index, "candidates": len(chosen.candidates), "strength": best}


def _scores(verdict: Verdict | None) -> JsonValue:
    if verdict is None:
        return {}
    return {axis: score.model_dump(mode="json") for axis, score in verdict.scores.items()}


def _step(event: Event) -> JsonValue:
    # Where a clip lies is for people: a path tells a model nothing, and whoever names files would speak to it.
    note = "" if event.tool == "sample_clip" else event.note
    return {"tool": event.tool, "arguments": event.arguments, "note": note, "error": event.error}
