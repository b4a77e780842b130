"""One question to a served model, answered in JSON of a given type: captions, instructions, scores, diagnoses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from ditto_models.vision import sendable
from prompts.library import Prompt

Answer = TypeVar("Answer", bound=BaseModel)
Part = Mapping[str, Any]
"""Of a message, as the OpenAI API has it: a text, a picture or a video."""
TRIES = 2
"""With another seed each: an answer that was cut or garbled once need not be again."""
_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is said to the model, and as what the trace knows it."""

    purpose: str
    system: Prompt
    parts: Sequence[Part]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """No try brought an answer of the type that was asked for; why, in words."""

    problem: str


@dataclass(frozen=True, kw_only=True)
class Asker(Generic[Answer]):
    """Asks a chat model for answers of one type. Its fields come in the order that the model writes them."""

    chat: BaseChatModel
    answer: type[Answer]

    async def ask(self, question: Question) -> Answer | Unreadable:
        """The answer.

        Raises:
            Exception: the chat model's own, when no server answered it.
        """
        problem = ""
        for number in range(TRIES):
            said = await self._said(question, question.seed + number)
            found = _read(said, self.answer)
            if not isinstance(found, str):
                return found
            problem = found
        return Unreadable(problem=problem)

    async def _said(self, question: Question, seed: int) -> AIMessage:
        # In extra_body: given as an argument, a cut answer would be an exception in the place of an answer.
        schema = {"name": self.answer.__name__, "strict": True, "schema": self.answer.model_json_schema()}
        shown = sendable(question.parts)
        chat = self.chat.bind(
            seed=seed,
            extra_body={"response_format": {"type": "json_schema", "json_schema": schema}} | shown.extra_body,
            extra_headers=headers(question.purpose, question.system),
        )
        content: list[str | dict[Any, Any]] = [*shown.parts]
        said: AIMessage = await chat.ainvoke([SystemMessage(question.system.text), HumanMessage(content=content)])
        return said


def headers(purpose: str, prompt: Prompt) -> dict[str, str]:
    """What the record of a call should say of it; the client takes these off before it sends."""
    return {"x-ditto-purpose": purpose, "x-ditto-prompt": prompt.hash}


def text_part(text: str) -> Part:
    """Words between pictures."""
    return {"type": "text", "text": text}


def _read(said: AIMessage, kind: type[Answer]) -> Answer | str:
    """The answer, or what is wrong with it."""
    text = said.content if isinstance(said.content, str) else ""
    if said.response_metadata.get("finish_reason") == "length":
        return f"the answer was cut before it was whole: {text[:_SHOWN]!r}"
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        return f"{place}: {first['msg']}: {text[:_SHOWN]!r}"
