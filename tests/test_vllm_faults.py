"""What can go wrong between a client and its server is named right, and what follows from it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from anyio import EndOfStream
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.vllm_answers import problem_of, tokens_of
from ditto_models.vllm_faults import Answer, fault_of_answer, fault_of_error, retry_after

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
KEYS = st.sampled_from(["choices", "message", "content", "tool_calls", "function", "arguments", "usage", "error"])
COMPLETION = b'{"choices": [{"message": {"role": "assistant", "content": "yes"}}]}'


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(path="/chat/completions", status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("status", "name", "again", "is_try", "suspect"),
    [
        (429, "busy", True, False, False),
        (503, "busy", True, False, True),
        (500, "broken", True, True, False),
        (502, "gateway", True, True, True),
        (504, "gateway", True, True, True),
        (408, "late", True, True, True),
        (307, "refused", False, True, False),
        (400, "refused", False, True, False),
        (401, "refused", True, True, True),
        (404, "refused", True, True, True),
        (413, "refused", False, True, False),
        (422, "refused", False, True, False),
    ],
)
def test_status_says_what_follows(status: int, name: str, again: bool, is_try: bool, suspect: bool) -> None:
    fault = fault_of_answer(answer(status, b'{"error": {"message": "why\\nnot"}}'))
    assert fault is not None
    assert (fault.name, fault.again, fault.is_try, fault.suspect) == (name, again, is_try, suspect)
    assert fault.said == f"answered {status}: why not"


ODD_COMPLETIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "an error beside the choices": lambda body: body.update(error={"message": "overloaded"}),
    "usage that is no object": lambda body: body.update(usage="none"),
    "tokens that are no number": lambda body: body.update(usage={"prompt_tokens": 1, "total_tokens": []}),
    "fewer tokens than none": lambda body: body.update(usage={"prompt_tokens": -5}),
    "a tier that is no name": lambda body: body.update(service_tier={}),
    "no role": lambda body: body["choices"][0]["message"].pop("role"),
    "somebody else's role": lambda body: body["choices"][0]["message"].update(role="user"),
    "a function call that is none": lambda body: body["choices"][0]["message"].update(function_call="reject"),
}


@pytest.mark.parametrize("name", ODD_COMPLETIONS)
def test_a_completion_that_would_break_its_reader_is_a_fault_of_the_server(name: str) -> None:
    body = json.loads(COMPLETION)
    ODD_COMPLETIONS[name](body)
    fault = fault_of_answer(answer(200, json.dumps(body).encode()))
    assert fault is not None
    assert (fault.name, fault.again, fault.is_try) == ("no completion", True, True)


@pytest.mark.parametrize(
    ("error", "name", "is_try"),
    [
        (httpx2.ConnectError("refused"), "unreachable", False),
        (httpx2.ConnectTimeout(""), "unreachable", False),
        (httpx2.ProxyError("no"), "unreachable", False),
        (TimeoutError(), "late", True),
        (httpx2.ReadTimeout(""), "late", True),
        (httpx2.ReadError(""), "lost", True),
        (httpx2.RemoteProtocolError("cut"), "lost", True),
        (ConnectionResetError(), "lost", True),
        (ssl.SSLEOFError(), "lost", True),
        (EndOfStream(), "lost", True),
        (httpx2.DecodingError("gzip"), "no completion", True),
    ],
)
def test_error_says_what_follows(error: Exception, name: str, is_try: bool) -> None:
    fault = fault_of_error(error)
    assert fault is not None
    assert (fault.name, fault.is_try, fault.again, fault.suspect) == (name, is_try, True, True)


def test_an_error_of_our_own_is_no_fault_of_a_server() -> None:
    assert fault_of_error(httpx2.LocalProtocolError("illegal header value")) is None
    assert fault_of_error(KeyError("choices")) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("-3", 0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("86400", 300),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def with_arguments(arguments: object) -> bytes:
    call = {"id": "1", "type": "function", "function": {"name": "reject", "arguments": arguments}}
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [call]}}]}).encode()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (COMPLETION, ""),
        (with_arguments('{"note": "\x00 \x1b[2J \\u0000"}'), ""),
        (with_arguments('{"note": "cut'), ""),
        (with_arguments(json.dumps({"note": "x" * 200_000})), ""),
        (b"", "nothing instead of JSON"),
        (b"<!DOCTYPE html><p>Sign in", "HTML instead of JSON"),
        (COMPLETION[:-10], "broken text instead of JSON"),
        (b"\xff\xfe\x00", "broken text instead of JSON"),
        (b"[" * 100_000, "broken text instead of JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "broken text instead of JSON"),
        (b"null", "JSON that is no object"),
        (b'{"error": {"message": "no"}}', "JSON without a chat completion"),
        (b'{"choices": []}', "JSON without a chat completion"),
        (b'{"choices": [{"message": {"content": 5}}]}', "a chat completion whose content is no text"),
        (with_arguments({"note": "a"}), "a chat completion with a broken tool call (arguments that are no text)"),
        (with_arguments("[" * 100_000), "a chat completion with a broken tool call (arguments nested too deep)"),
        (with_arguments("9" * 5000), "a chat completion with a broken tool call (a number that is too long)"),
    ],
)
def test_only_a_whole_completion_passes(body: bytes, problem: str) -> None:
    assert problem_of("/chat/completions", body) == problem


USAGE = st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens"]), st.floats() | st.text() | st.none())
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | USAGE,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([200, 200, 400, 429]), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_makes_the_classifier_fail(status: int, body: bytes) -> None:
    fault = fault_of_answer(answer(status, body), NOW)
    assert fault is None or fault.said.isprintable()
    assert len(tokens_of(body)) == 2


@given(st.text())
def test_no_header_makes_retry_after_fail(header: str) -> None:
    assert 0 <= (retry_after(header, NOW) or 0) <= 300
