"""Whether what a server answered with status 200 is what was asked for: a chat completion, or embeddings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

MOST_BYTES = 8 * 1024**2
"""Of one answer; a longer one is refused before it is read whole. A tool call of 200 kB is far below it."""
Tokens = Annotated[int, Field(ge=0, lt=2**31)]


class _Usage(BaseModel):
    model_config = ConfigDict(strict=True)

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: dict[str, Tokens | None] | None = None
    completion_tokens_details: dict[str, Tokens | None] | None = None


class _Beside(BaseModel):
    """What the client reads of a completion beside its choices; anything else there makes it fail."""

    model_config = ConfigDict(strict=True)

    usage: _Usage | None = None
    error: None = None
    service_tier: str | None = None


def problem_of(path: str, body: bytes) -> str:
    """What is wrong with the body of a 200 answer, in a few words; empty where it is whole.

    `path` is that of the request, which says what the body must hold.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):  # not JSON or not UTF-8; a number or a nesting that no reader takes
        return f"{_kind(body)} instead of JSON"
    if not isinstance(answer, dict):
        return "JSON that is no object"
    if path.endswith("/chat/completions"):
        return _problem_of_chat(answer)
    return "" if not path.endswith("/embeddings") or _list(answer, "data") else "JSON without embeddings"


def tokens_of(body: bytes) -> tuple[int, int]:
    """Tokens of the prompt and of the answer, as the server counted them; 0 where it does not say."""
    try:
        usage = json.loads(body).get("usage") or {}
        return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return 0, 0


def _problem_of_chat(answer: Mapping[str, JsonValue]) -> str:
    choices = _list(answer, "choices")
    message = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        return "JSON without a chat completion"
    if not isinstance(message.get("content"), str | None):
        return "a chat completion whose content is no text"
    if message.get("role") != "assistant":
        return "a chat completion whose message is not the assistant's"
    if not isinstance(message.get("function_call"), dict | None):
        return "a chat completion with a broken function call"
    try:
        _Beside.model_validate(answer)
    except ValidationError as error:
        return f"a chat completion with an unusable {'.'.join(map(str, error.errors()[0]['loc']))}"
    calls = message.get("tool_calls") or []
    wrong = [problem for call in calls if (problem := _problem_of_call(call))] if isinstance(calls, list) else ["list"]
    return f"a chat completion with a broken tool call ({wrong[0]})" if wrong else ""


def _problem_of_call(call: JsonValue) -> str:
    """Arguments that are no JSON pass: the planner is asked to mend them. What makes a reader fail does not."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return "no function name"
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return "arguments that are no text"
    try:
        json.loads(arguments, strict=False)
    except json.JSONDecodeError:
        return ""
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or endless nesting
        return "arguments nested too deep" if isinstance(error, RecursionError) else "a number that is too long"
    return ""


def _list(answer: Mapping[str, JsonValue], key: str) -> list[JsonValue]:
    found = answer.get(key)
    return found if isinstance(found, list) else []


def _kind(body: bytes) -> str:
    start = body[:200].lstrip().lower()
    if not start:
        return "nothing"
    return "HTML" if start.startswith((b"<!doctype", b"<html", b"<head", b"<body")) else "broken text"
