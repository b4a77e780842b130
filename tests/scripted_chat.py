"""A chat model that answers by a function of what it is asked, and keeps every question."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field


class Asked:
    """One question as the model gets it."""

    def __init__(self, messages: list[BaseMessage], settings: dict[str, Any]) -> None:
        self.system = str(messages[0].content)
        parts = messages[1].content
        self.parts = [part if isinstance(part, dict) else {"type": "text", "text": part} for part in parts]
        self.text = "\n".join(part["text"] for part in self.parts if part["type"] == "text")
        self.seed: int = settings["seed"]
        self.purpose: str = settings["extra_headers"]["x-ditto-purpose"]
        self.schema: dict[str, Any] = settings["extra_body"]["response_format"]["json_schema"]["schema"]

    def data(self, mark: str) -> Any:
        """What stands as JSON between the marks."""
        return json.loads(self.text.split(f"<{mark}>")[1].split(f"</{mark}>")[0])


class ScriptedChat(BaseChatModel):
    """Answers what `answer` returns: a text as it is, all else as JSON."""

    answer: Callable[[Asked], Any]
    asked: list[Any] = Field(default_factory=list)
    finish_reason: str = "stop"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(Asked(messages, kwargs))
        said = self.answer(self.asked[-1])
        text = said if isinstance(said, str) else json.dumps(said)
        message = AIMessage(text, response_metadata={"finish_reason": self.finish_reason})
        return ChatResult(generations=[ChatGeneration(message=message)])
