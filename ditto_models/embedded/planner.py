"""The embedded planner: rules that answer a planner's messages with the same tool calls a vision-language model makes.

It reads the state block and nothing else: it does not see the contact sheet and does not understand words. It is a
LangChain chat model only so that the rest of the program need not know which kind of planner leads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

_STATE = re.compile(r"<state>(.*?)</state>", re.DOTALL)
_STRENGTH = 0.8
_STRENGTH_STEP = {"stronger": 0.15, "weaker": -0.2}
_SAME_REPAIR_AT_MOST = 2

State = Mapping[str, Any]
Legal = Mapping[str, Mapping[str, Sequence[str]]]


class RulePlanner(BaseChatModel):
    """Makes the pair it set out to make where scores allow, mends what a diagnosis names, and gives up in time."""

    @property
    def _llm_type(self) -> str:
        return "ditto-rules"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Accept tools as any chat model does; the state block already says which calls are legal."""
        return self.bind(tools=tools, tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        state = _last_state(messages)
        legal = {entry["tool"]: entry["choices"] for entry in state["legal"]}
        name, arguments = _RULES[state["stage"]](state, legal)
        call = {"name": name, "args": arguments, "id": f"rule-{len(messages)}", "type": "tool_call"}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="", tool_calls=[call]))])


Answer = tuple[str, dict[str, object]]


def _last_state(messages: Sequence[BaseMessage]) -> State:
    for message in reversed(messages):
        parts = message.content if isinstance(message.content, list) else [{"type": "text", "text": message.content}]
        for part in parts:
            if isinstance(part, dict) and (found := _STATE.search(part.get("text", ""))):
                state: State = json.loads(found.group(1))
                return state
    raise ValueError("no <state> block in the messages; expected one in the planner's user message")


def _described(state: State, legal: Legal) -> Answer:
    if "write_instruction" not in legal:
        return _reject("nothing_to_edit")
    exhausted = {event["arguments"].get("edit_type") for event in state["history"] if event["error"]}
    left = [edit_type for edit_type in legal["write_instruction"]["edit_type"] if edit_type not in exhausted]
    if not left:
        return _reject("nothing_to_edit")
    return "write_instruction", {"edit_type": left[0], "wish": state["wish"]}


def _instructed(state: State, legal: Legal) -> Answer:
    if "edit_key_frame" not in legal:
        return _reject("out_of_budget")
    changes = [diagnosis["change"] for diagnosis in state["diagnoses"] if diagnosis["stage"] == "key_frame"]
    return _edit_key_frame(_STRENGTH, changes)


def _key_frame_judged(state: State, legal: Legal) -> Answer:
    if "generate_video" in legal:
        softer = sum(diagnosis["change"] == "weaker" for diagnosis in state["diagnoses"])
        route = legal["generate_video"]["route"][0]
        return "generate_video", {"route": route, "strength": round(1.0 - 0.25 * min(softer, 2), 2)}
    change = (state["suggestion"] or {}).get("change")
    if "edit_key_frame" in legal and change in _STRENGTH_STEP:
        return _edit_key_frame(state["key_frame"]["strength"], [change])
    if "write_instruction" in legal:
        return _described(state, legal)
    return _reject("poor_key_frame")


def _judged(state: State, legal: Legal) -> Answer:
    if "accept" in legal:
        return "accept", {}
    suggestion = state["suggestion"]
    if suggestion is None:
        return _reject("poor_video")
    if suggestion["axis"] == "temporal_steadiness" and "enhance_video" in legal:
        return "enhance_video", {"noise": "medium"}
    if "retry" not in legal or state["diagnoses"].count(suggestion) >= _SAME_REPAIR_AT_MOST:
        return _reject("poor_video")
    stages = legal["retry"]["stage"]
    stage = suggestion["stage"] if suggestion["stage"] in stages else stages[0]
    return "retry", {"stage": stage, "axis": suggestion["axis"], "change": suggestion["change"]}


def _campaign(state: State, legal: Legal) -> Answer:
    if "train_editto" not in legal or any(call["error"] for call in state["history"]):
        return "decline_training", {"reason": "the call that was offered could not be carried out"}
    choices = {argument: values[0] for argument, values in legal["train_editto"].items()}
    return "train_editto", {**choices, "least_score": 0.0}


def _edit_key_frame(strength: float, changes: Sequence[str]) -> Answer:
    strength += sum(_STRENGTH_STEP.get(change, 0.0) for change in changes)
    arguments = {
        "frame": "middle",
        "strength": round(min(1.0, max(0.3, strength)), 2),
        "candidates": 3 if changes else 2,
    }
    return "edit_key_frame", arguments


def _reject(reason: str) -> Answer:
    return "reject", {"reason": reason, "note": ""}


_RULES: Mapping[str, Callable[[State, Legal], Answer]] = {
    "described": _described,
    "instructed": _instructed,
    "key_frame_judged": _key_frame_judged,
    "judged": _judged,
    "campaign": _campaign,
}
