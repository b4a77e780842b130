"""A fake for every model protocol: small, deterministic, quick; and a scripted planner for the graph's tests."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from numpy.typing import NDArray

from ditto_models.base import Description, EditRequest, Frame, Frames, KeyFramedClip, Mask, Masks, Noise, Route


class FakeMasker:
    name = "fake-masker"

    def mask(self, frames: Frames) -> Masks:
        masks = np.zeros(frames.shape[:3], np.float32)
        masks[:, frames.shape[1] // 4 : -frames.shape[1] // 4, frames.shape[2] // 4 : -frames.shape[2] // 4] = 1
        return masks


class FakeDescriber:
    name = "fake-describer"

    def __init__(self, facts: dict[str, float]) -> None:
        self._facts = facts

    def describe(self, frames: Frames, masks: Masks) -> Description:
        return Description(caption=f"{len(frames)} frames", facts=self._facts)


class FakeEditor:
    """Darkens by the strength."""

    name = "fake-editor"

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        dark: Frame = (frame * (1 - request.strength / 2)).astype(np.uint8)
        dark[0, 0] = request.seed % 251  # so that seeds make a difference
        return dark


class FakeGenerator:
    name = "fake-generator"

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        gain = clip.key_edited.mean() / max(1.0, float(clip.key.mean()))
        edited: Frames = np.clip(clip.source * gain, 0, 255).astype(np.uint8)
        return edited


class FakeEnhancer:
    name = "fake-enhancer"

    def enhance(self, source: Frames, edited: Frames, noise: Noise, seed: int) -> Frames:
        brighter: Frames = np.clip(edited.astype(np.int16) + 1, 0, 255).astype(np.uint8)
        return brighter


class FakeSafety:
    name = "fake-safety"

    def __init__(self, probability: float = 0.0) -> None:
        self.probability = probability

    def unsafe_probability(self, frames: Frames) -> float:
        return self.probability


class FakeEmbedder:
    """Words hashed to directions: texts that share words are near."""

    name = "fake-embedder"
    dimensions = 64

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.stack([sum((_direction(word) for word in text.lower().split()), np.zeros(64)) for text in texts])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (vectors / np.maximum(norms, 1e-6)).astype(np.float32)
        return unit


def _direction(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
    return np.random.default_rng(seed).standard_normal(64)


Answer = Callable[[dict[str, Any], list[dict[str, Any]]], AIMessage]
"""State block and the offered tools to an answer."""


class ScriptedPlanner(BaseChatModel):
    """Answers by a function of the state block and of the tools that were offered."""

    answer: Answer

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=tools, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = str(messages[1].content)
        state = json.loads(messages[1].content[0]["text"].split("<state>")[1].split("</state>")[0])  # type: ignore[index]
        assert "<state>" in text
        return ChatResult(generations=[ChatGeneration(message=self.answer(state, kwargs["tools"]))])


def tool_call(name: str, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "1", "type": "tool_call"}])


def random_arguments(tool: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Arguments that a tool's strict schema allows."""
    return {name: _random_value(schema, rng) for name, schema in tool["function"]["parameters"]["properties"].items()}


def _random_value(schema: dict[str, Any], rng: random.Random) -> Any:
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema["type"] == "number":
        return rng.uniform(schema["minimum"], schema["maximum"])
    if schema["type"] == "integer":
        return rng.randint(schema["minimum"], schema["maximum"])
    return "x" * rng.randint(schema.get("minLength", 0), schema["maxLength"])
