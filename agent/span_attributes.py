"""What spans say of a sample, an event, a model's call: names of the GenAI conventions, then ditto's own. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import JsonValue

from memory.sample import Event, ModelCall, Sample, Verdict
from tools.critic.axes import MODEL_AXES

Attributes = dict[str, str | bool | int | float | list[str]]
Content = Literal["none", "text"]

AGENT = "ditto"
SERVED_BY = "vllm"
"""The provider of every model that a profile asks over HTTP."""
MOST_CHARACTERS = 8000
"""Of one attribute; what is longer is cut."""
_ERROR_NAME = re.compile(r"^([A-Za-z_][A-Za-z0-9_.]*(?:Error|Exception|Lost|Failed|Timeout|Interrupt)): ")


def of_sample(sample: Sample, run: str, content: Content) -> Attributes:
    """Of the root: how the sample ended."""
    found: Attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": AGENT,
        "gen_ai.agent.name": AGENT,
        "ditto.run": run,
        "ditto.stage": sample.stage,
        "ditto.decision": sample.decision or "",
        "ditto.reasons": sample.reasons,
        "ditto.model_seconds": sample.model_seconds,
        "ditto.gpu_seconds": sample.gpu_seconds,
        "ditto.planner_fallbacks": sample.planner_fallbacks,
    }
    if sample.instruction:
        found |= {"ditto.edit_type": sample.instruction.edit_type, "ditto.scope": sample.instruction.scope}
        if content == "text":
            found["ditto.instruction"] = _cut(sample.instruction.text)
    if sample.decision == "failed":
        found["error.type"] = (sample.reasons or ["_OTHER"])[0]
    return found | _whose(sample)


def of_event(event: Event, sample: Sample, content: Content) -> Attributes:
    """Of one step: the tool, or what a person did."""
    found: Attributes = {
        "ditto.event.seq": event.seq,
        "ditto.stage": event.stage,
        "ditto.next_stage": event.next_stage,
        "ditto.by": event.by,
        "ditto.attempt": event.attempt,
        "ditto.model_seconds": event.model_seconds,
        "ditto.gpu_seconds": event.gpu_seconds,
        "ditto.refusals": len(event.refusals),
        "ditto.planner_fallback": event.planner_fallback,
    }
    if event.by != "person":
        found |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.type": "function"}
    found |= {"gen_ai.tool.name": event.tool, "gen_ai.tool.call.id": str(event.seq)}
    if event.model:
        found["ditto.model"] = event.model
    if content == "text":
        found |= {"gen_ai.tool.call.arguments": _json(event.arguments), "ditto.note": _cut(event.note)}
        if not event.error:
            found["gen_ai.tool.call.result"] = _json(event.result)
    if event.error:
        found["error.type"] = error_type(event.error)
    return found | _whose(sample)


def of_call(call: ModelCall, sample: Sample, content: Content) -> Attributes:
    """Of one call of a served model."""
    found: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": SERVED_BY,
        "gen_ai.request.model": call.model,
        "gen_ai.usage.input_tokens": call.prompt_tokens,
        "gen_ai.usage.output_tokens": call.answer_tokens,
        "ditto.purpose": call.purpose,
        "ditto.prompt_hash": call.prompt_hash,
        "ditto.request": call.request,
        "ditto.pictures": len(call.pictures),
        "ditto.waited_seconds": call.waited_seconds,
        "ditto.faults": len(call.faults),
    }
    server = urlsplit(call.server)
    if server.hostname:
        found["server.address"] = server.hostname
        found["server.port"] = server.port or (443 if server.scheme == "https" else 80)
    if call.finish:
        found["gen_ai.response.finish_reasons"] = [call.finish]
    if call.error:
        found["error.type"] = _fault(call) or error_type(call.error)
    if content == "text" and call.answer:
        parts = [{"type": "text", "content": call.answer}]
        found["gen_ai.output.messages"] = json.dumps(
            [{"role": "assistant", "parts": parts, "finish_reason": call.finish}], ensure_ascii=False
        )
    return found | _whose(sample)


def evaluations(event: Event, content: Content) -> Iterator[Attributes]:
    """Each axis that an event judged, as a `gen_ai.evaluation.result`."""
    for which, verdict in _verdicts(event):
        for axis, score in verdict.scores.items():
            found: Attributes = {
                "gen_ai.evaluation.name": axis,
                "gen_ai.evaluation.score.label": {True: "pass", False: "fail", None: "unscored"}[score.passed],
                "ditto.evaluation.of": which,
                "ditto.evaluation.threshold": score.threshold,
                "ditto.evaluation.counted": score.counted,
            }
            if score.value is not None:
                found["gen_ai.evaluation.score.value"] = score.value
            if content == "text" or axis not in MODEL_AXES:  # of measured axes the reason is but the measure in words
                found["gen_ai.evaluation.explanation"] = _cut(score.reason)
            yield found


def error_type(error: str) -> str:
    """The kind of an error: its class where the words name one; what a tool says in its own words has no other name."""
    found = _ERROR_NAME.match(error)
    return found[1] if found else "_OTHER"


def _fault(call: ModelCall) -> str:
    """The name of the last fault, for example "busy"."""
    return call.faults[-1].removeprefix(f"{call.server}: ").partition(": ")[0] if call.faults else ""


def _verdicts(event: Event) -> Iterator[tuple[str, Verdict]]:
    for key, which in (("key_frame_verdict", "key frame"), ("verdict", "video")):
        if event.by != "person" and (value := event.result.get(key)):
            yield which, Verdict.model_validate(value)
    proposals = event.result.get("proposals") if event.tool == "preview_edits" else None
    for proposal in proposals if isinstance(proposals, list) else ():
        if isinstance(proposal, dict) and (value := proposal.get("verdict")):
            yield f"proposal {proposal.get('number')}", Verdict.model_validate(value)


def _whose(sample: Sample) -> Attributes:
    talk: Attributes = {"gen_ai.conversation.id": sample.id} if sample.conversation else {}
    return {"ditto.sample.id": sample.id} | talk


def _json(value: Mapping[str, JsonValue]) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."
