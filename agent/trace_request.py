"""A request to a served model, taken apart for people: its messages, with every picture by its artifact's name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.model_calls import exact_request
from memory.artifacts import ArtifactStore
from memory.sample import ModelCall

_PICTURES = re.compile(
    r"data:(?:image|video)/(?:png|jpeg);artifacts,([0-9a-f]{64}\.[a-z]{3}(?:,[0-9a-f]{64}\.[a-z]{3})*)"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a message: words, or pictures."""

    text: str = ""
    pictures: tuple[str, ...] = ()
    """Artifacts; several are the frames of a video."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message."""

    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was sent."""

    messages: tuple[Message, ...]
    tools: Mapping[str, str]
    """The tools that could be called: what each does."""
    schema: str
    """The JSON schema that the answer must satisfy; empty where there was none."""
    settings: Mapping[str, str]
    """The other fields: model, temperature, seed, limits."""
    size: int
    """Bytes, as it was sent."""


def request_of(call: ModelCall, artifacts: ArtifactStore) -> Request:
    """The request of a call, checked to be what was sent.

    Raises:
        RequestLost: it was not kept, a part of it is gone, or it is not what was sent.
    """
    size = len(exact_request(call, artifacts))
    body: dict[str, Any] = json.loads(artifacts.path(call.request).read_bytes())
    apart = ("messages", "tools", "response_format")
    return Request(
        messages=tuple(_message(message) for message in body.get("messages", ())),
        tools={
            str(tool["function"]["name"]): str(tool["function"].get("description", ""))
            for tool in body.get("tools") or ()
        },
        schema=_indented(body["response_format"]) if body.get("response_format") else "",
        settings={key: _plain(value) for key, value in body.items() if key not in apart},
        size=size,
    )


def _message(message: Mapping[str, Any]) -> Message:
    content = message.get("content")
    pieces: Sequence[Any] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    parts = [_part(piece) for piece in pieces]
    if message.get("tool_calls"):
        parts.append(Part(text=_indented(message["tool_calls"])))
    return Message(role=str(message.get("role", "")), parts=tuple(parts))


def _part(piece: Mapping[str, Any]) -> Part:
    kind = str(piece.get("type", ""))
    if kind == "text":
        return Part(text=str(piece.get("text", "")))
    address = piece.get(kind)
    url = str(address.get("url", "")) if isinstance(address, dict) else ""
    found = _PICTURES.fullmatch(url)
    return Part(pictures=tuple(found[1].split(","))) if found else Part(text=_indented(piece))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _indented(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
