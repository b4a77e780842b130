"""What `tests.scripted_server` is asked, what it may answer, and how it may break; the bodies in vLLM's shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Mapping[str, Any]

    @property
    def tools(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools", ())]

    @property
    def schema(self) -> dict[str, Any] | None:
        """What a json_schema answer must satisfy."""
        wanted: dict[str, dict[str, dict[str, Any]]] = self.body.get("response_format") or {}
        return wanted.get("json_schema", {}).get("schema")

    @property
    def text(self) -> str:
        contents = [message.get("content") or "" for message in self.body.get("messages", ())]
        parts = [[{"text": content}] if isinstance(content, str) else content for content in contents]
        return "\n".join(part.get("text", "") for several in parts for part in several)


@dataclass(frozen=True)
class ToolCall:
    """A tool call; `arguments` is the JSON text as a model would write it, right or wrong."""

    name: str
    arguments: str


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, json.dumps(arguments))


@dataclass(frozen=True)
class Reset:
    """The connection is reset (RST) before an answer."""


@dataclass(frozen=True)
class Die:
    """The whole server dies under this request, and every connection with it; `restart` brings it back."""


@dataclass(frozen=True)
class Stall:
    """Nothing comes for that long, then the answer."""

    seconds: float = 3600


@dataclass(frozen=True)
class Drip:
    """The answer comes a byte at a time, with a pause before each."""

    seconds: float = 0.1


@dataclass(frozen=True)
class Cut:
    """The answer's body ends early: short of its content-length, or inside its chunks."""

    fraction: float = 0.5
    chunked: bool = False


@dataclass(frozen=True)
class Status:
    """An error; the body is vLLM's own shape unless one is given."""

    code: int
    retry_after: str | None = None
    body: bytes | None = None


@dataclass(frozen=True)
class Raw:
    """Any body in place of a chat completion."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True)
class Length:
    """An answer that max_tokens cut: no call, finish_reason length."""

    text: str = ""


HTML = Raw(b"<html><body><h1>Sign in to the network</h1></body></html>", "text/html")
"""What a proxy or a captive portal says with status 200."""
Fault = Reset | Die | Stall | Drip | Cut | Status | Raw
Answer = str | ToolCall | Sequence[ToolCall] | Length | Fault


def schema_answer(asked: Asked) -> Answer:
    """The smallest instance of the schema asked for: the first tool's arguments, the JSON answer, or plain words."""
    if asked.tools:
        function = asked.body["tools"][0]["function"]
        return ToolCall(function["name"], json.dumps(smallest(function["parameters"])))
    return "It is a clip." if asked.schema is None else json.dumps(smallest(asked.schema))


def smallest(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """The smallest value that satisfies a JSON schema of the kind that pydantic writes."""
    root = root or schema
    if "$ref" in schema:
        return smallest(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    for several in ("anyOf", "allOf"):
        if several in schema:
            return smallest(schema[several][0], root)
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", ())
            return {name: smallest(schema["properties"][name], root) for name in wanted}
        case "array":
            return [smallest(schema["items"], root)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        case "string":
            return "a" * schema.get("minLength", 0)
        case kind:
            return {"boolean": False, "null": None}[str(kind)]


def answer_body(asked: Asked, answer: str | ToolCall | Sequence[ToolCall] | Length) -> bytes:
    if asked.path.endswith("/embeddings"):
        return _embeddings(asked)
    message: dict[str, Any] = {"role": "assistant", "content": None}
    finish, said = "stop", ""
    if isinstance(answer, str):
        message["content"] = said = answer
    elif isinstance(answer, Length):
        message["content"], finish, said = answer.text, "length", answer.text
    else:
        calls = [answer] if isinstance(answer, ToolCall) else answer
        said, finish = "".join(one.arguments for one in calls), "tool_calls"
        message["tool_calls"] = [
            {"id": f"call-{i}", "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for i, one in enumerate(calls)
        ]
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": asked.body.get("model")}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return json.dumps(body | {"choices": [choice], "usage": _usage(len(asked.text), len(said))}).encode()


def _embeddings(asked: Asked) -> bytes:
    """Eight numbers for each text, made from its sha256."""
    given = asked.body["input"]
    texts = [given] if isinstance(given, str) else given
    data = [
        {"object": "embedding", "index": i, "embedding": [byte / 255 - 0.5 for byte in _digest(text)[:8]]}
        for i, text in enumerate(texts)
    ]
    usage = _usage(sum(map(len, map(str, texts))), 0)
    return json.dumps({"object": "list", "data": data, "model": asked.body.get("model"), "usage": usage}).encode()


def _digest(text: object) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()


def _usage(asked: int, said: int) -> dict[str, int]:
    """Four characters a token."""
    prompt, completion = asked // 4 + 1, said // 4 + 1
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
