"""Asks the planner for one call: shows the state, reads the answer, has an illegal one mended, or takes the default.

Every planner, rules or vision-language model, reads the same message and is held to the same checks.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from agent.plain import plain
from agent.policy import LegalCall
from agent.profile import DEFAULT_SERVER
from agent.state import Call
from ditto_models.base import Frame
from memory.sample import Refusal
from prompts.library import Prompt, render
from tools.ask import Part, headers
from tools.media import image_of

MENDS = 2
"""How often an answer that is no legal call is sent back."""
_ANSWER_KEPT = 2000
"""Characters of a refused answer that the trace keeps."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question to the planner: the state as JSON, the contact sheet as PNG, the calls that are legal."""

    state: Mapping[str, JsonValue]
    sheet_png: bytes | None
    """None where there is nothing to see."""
    legal: tuple[LegalCall, ...]
    seed: int = 0
    """Of the sampling: the same question with the same seed has the same answer."""
    system: str = "planner_system"
    """Name of the prompt that says what is asked."""


class ServedPlannerConfig(BaseModel):
    """Which served model plans, and how it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = DEFAULT_SERVER
    """Name of the group of servers."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=1)
    """Of one answer; a call that is cut by it is asked for again."""


@dataclass(frozen=True, kw_only=True)
class PlannerModel:
    """A chat model that plans, its name for the trace, and how it is shown a contact sheet."""

    chat: BaseChatModel
    name: str
    show: Callable[[Frame], Part] | None = None
    """None: as it is, for a model that does not look."""


class Planner:
    """One chat model that picks among the legal calls."""

    def __init__(self, model: PlannerModel, tools: Mapping[str, BaseTool]) -> None:
        self._model = model
        self._tools = tools

    async def decide(self, ask: Ask) -> Call:
        """The call to make. An answer that is no legal call goes back twice; then policy's default is taken.

        Raises:
            Exception: the model's own, when it did not answer.
        """
        started = time.perf_counter()
        system, question = render(ask.system), render("planner_state", state=ask.state)
        messages = _opening(system, question, self._shown(ask.sheet_png))
        chat = self._model.chat.bind_tools(
            [schema(self._tools[call.tool], call) for call in ask.legal],
            tool_choice="required",
            parallel_tool_calls=False,
            strict=True,
            seed=ask.seed,
            extra_headers=headers("planner", system),
        )
        refusals: list[Refusal] = []
        tokens = 0
        while len(refusals) <= MENDS:
            answer = await _asked(chat, messages)
            tokens += answer.usage_metadata["total_tokens"] if answer.usage_metadata else 0
            found = read_call(answer, ask.legal, self._tools)
            if not isinstance(found, str):
                return self._call(found, "planner", system, tokens, started, refusals)
            refusals.append(Refusal(answer=_said(answer), problem=found))
            messages += _mend(answer, found, ask.legal)
        default = (ask.legal[0].tool, default_arguments(ask.legal[0], self._tools[ask.legal[0].tool]))
        return self._call(default, "policy", system, tokens, started, refusals)

    def _shown(self, sheet_png: bytes | None) -> Sequence[Part]:
        if sheet_png is None:
            return []
        if self._model.show is None:
            image = f"data:image/png;base64,{base64.b64encode(sheet_png).decode()}"
            return [{"type": "image_url", "image_url": {"url": image}}]
        return [self._model.show(image_of(sheet_png))]

    def _call(
        self,
        found: tuple[str, dict[str, object]],
        by: str,
        system: Prompt,
        tokens: int,
        started: float,
        refusals: list[Refusal],
    ) -> Call:
        return Call(
            tool=found[0],
            arguments=found[1],
            by=by,
            model=self._model.name,
            prompt_hash=system.hash,
            tokens=tokens or None,
            seconds=time.perf_counter() - started,
            refusals=refusals,
            planner_fallback=by == "policy",
            calls=[],
        )


def schema(tool: BaseTool, call: LegalCall) -> dict[str, object]:
    """The tool as the OpenAI API takes it, strict, with this call's narrowed arguments as enums."""
    described = convert_to_openai_tool(tool, strict=True)
    parameters = described["function"]["parameters"]
    parameters["required"] = sorted(parameters["properties"])
    for argument, values in call.choices.items():
        parameters["properties"][argument] = {
            **{key: value for key, value in parameters["properties"][argument].items() if key == "description"},
            "type": "string",
            "enum": list(values),
        }
    for entry in parameters["properties"].values():
        entry.pop("default", None)
    return described


def read_call(
    answer: AIMessage, legal: Sequence[LegalCall], tools: Mapping[str, BaseTool]
) -> tuple[str, dict[str, object]] | str:
    """The legal call that an answer holds, or what is wrong with it, in words for the planner."""
    if not answer.tool_calls:
        cut = answer.response_metadata.get("finish_reason") == "length"
        return "the answer was cut before a call was whole; be brief" if cut else "the answer holds no tool call"
    if len(answer.tool_calls) > 1:
        return f"the answer holds {len(answer.tool_calls)} calls; make exactly one"
    name, arguments = answer.tool_calls[0]["name"], answer.tool_calls[0]["args"]
    call = next((call for call in legal if call.tool == name), None)
    if call is None:
        return f"{name!r} cannot be called now"
    try:
        known = arguments_of(tools[call.tool]).model_validate(arguments, extra="forbid").model_dump()
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
    if broken := [argument for argument, value in known.items() if plain(str(value)) != str(value)]:
        return f"{', '.join(broken)}: holds characters that are no text"
    for argument, values in call.choices.items():
        if known[argument] not in values:
            return f"{argument} must be one of {', '.join(values)}, not {known[argument]!r:.60}"
    return name, known


def default_arguments(call: LegalCall, tool: BaseTool) -> dict[str, object]:
    """Policy's own arguments for a call: the first of what is offered, and the tool's defaults."""
    arguments: dict[str, object] = {"change": "another seed"} if call.tool == "retry" else {}
    arguments |= {argument: values[0] for argument, values in call.choices.items()}
    fields = arguments_of(tool).model_fields
    return {name: field.default for name, field in fields.items() if not field.is_required()} | arguments


def arguments_of(tool: BaseTool) -> type[BaseModel]:
    """What a planner may pass to a tool."""
    return cast("type[BaseModel]", tool.tool_call_schema)


def has_free_argument(call: LegalCall, tool: BaseTool) -> bool:
    """Whether anything is left to choose once the tool is chosen."""
    fields = arguments_of(tool).model_fields
    return any(len(call.choices.get(name, ("", ""))) > 1 for name in fields)


async def _asked(chat: Runnable[LanguageModelInput, AIMessage], messages: list[BaseMessage]) -> AIMessage:
    """The answer; one that is no message at all (arguments that are a list, say) as what it is: no call."""
    try:
        return await chat.ainvoke(messages)
    except ValidationError as error:
        return AIMessage(f"(no message: {error.errors(include_url=False)[0]['msg']})")


def _opening(system: Prompt, question: Prompt, sheet: Sequence[Part]) -> list[BaseMessage]:
    content: list[str | dict[Any, Any]] = [{"type": "text", "text": question.text}, *map(dict, sheet)]
    return [SystemMessage(system.text), HumanMessage(content=content)]


def _mend(answer: AIMessage, problem: str, legal: Sequence[LegalCall]) -> list[BaseMessage]:
    """The answer as plain text, since a broken call could not be sent back as one, and what is wrong with it."""
    text = render("planner_mend", problem=problem, tools=[call.tool for call in legal]).text
    return [AIMessage(_said(answer) or "(nothing)"), HumanMessage(text)]


def _said(answer: AIMessage) -> str:
    calls = [f"{call['name']}({call['args']})" for call in answer.tool_calls]
    broken = [f"{call['name']}({call['args']})" for call in answer.invalid_tool_calls]
    return plain("; ".join([*calls, *broken, str(answer.content or "")]).strip("; ")[:_ANSWER_KEPT])
