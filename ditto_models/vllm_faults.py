"""What went wrong with one attempt of a call, by name, and what follows: a pure function of the error or the answer."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import httpx2
from anyio import EndOfStream

from ditto_models.vllm_answers import problem_of

Name = Literal["unreachable", "lost", "late", "busy", "gateway", "broken", "no completion", "too large", "refused"]
LONGEST_REST_SECONDS = 300.0
"""Of a Retry-After that is followed; a server that asks for more is asked again after that."""
_SAID = 200
"""Characters of a server's own words that are kept."""


class AnswerTooLarge(Exception):
    """The answer is longer than any answer may be."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back over HTTP, read to its end."""

    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One attempt that failed."""

    name: Name
    said: str
    """What happened, in one line."""
    again: bool = True
    """Whether the same request may be sent again."""
    is_try: bool = True
    """Whether it uses up one of the request's tries; not where the server took nothing on."""
    suspect: bool = True
    """Whether the server gets no more calls until it has shown that it lives."""
    slow_down: bool = False
    """Whether the server gets fewer calls at a time from now on."""
    rest_seconds: float | None = None
    """How long the server asked to be left alone; None where it did not say."""


def fault_of_error(error: Exception) -> Fault | None:
    """The fault behind an exception of an attempt; None for one that is not about the server, and must be raised."""
    words = " ".join(str(error).split())
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.ProxyError():
            return Fault(name="unreachable", said=f"cannot be reached ({said})", is_try=False)
        case httpx2.TimeoutException() | TimeoutError():
            return Fault(name="late", said="no answer in time", slow_down=True)
        case AnswerTooLarge():
            return Fault(name="too large", said=str(error), again=False, suspect=False)
        case httpx2.DecodingError():
            return Fault(name="no completion", said=f"answered what cannot be unpacked ({said})")
        case httpx2.NetworkError() | httpx2.RemoteProtocolError() | EndOfStream() | OSError():
            return Fault(name="lost", said=f"connection lost ({said})")
        case _:
            return None


def fault_of_answer(answer: Answer, now: datetime | None = None) -> Fault | None:
    """The fault in an answer; None where it is what was asked for. A Retry-After that is a date counts from `now`."""
    if 200 <= answer.status < 300:
        problem = problem_of(answer.path, answer.body)
        return Fault(name="no completion", said=f"answered {answer.status} with {problem}") if problem else None
    said = f"answered {answer.status}{_words(answer.body)}"
    match answer.status:
        case 429 | 503:
            rest = retry_after(answer.headers.get("retry-after", ""), now or datetime.now(UTC))
            suspect = answer.status == 503
            return Fault(name="busy", said=said, is_try=False, suspect=suspect, slow_down=True, rest_seconds=rest)
        case 502 | 504:
            return Fault(name="gateway", said=said)
        case 408:
            return Fault(name="late", said=said, slow_down=True)
        case status if status >= 500:
            return Fault(name="broken", said=said, suspect=False)
        case 401 | 403 | 404:
            # Another model or key than before: that is the server's fault, which must show that it still takes ours.
            return Fault(name="refused", said=said)
        case _:
            return Fault(name="refused", said=said, again=False, suspect=False)


def retry_after(header: str, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or an HTTP date (RFC 9110, 10.2.3); None for neither."""
    seconds = None
    with suppress(ValueError):
        seconds = float(header)
    if seconds is None:
        with suppress(ValueError):
            date = email.utils.parsedate_to_datetime(header)
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    if seconds is None or seconds != seconds:
        return None
    return min(max(seconds, 0.0), LONGEST_REST_SECONDS)


def _words(body: bytes) -> str:
    """What an error says of itself, for a trace: printable, in one line."""
    text = body[: 10 * _SAID].decode("utf-8", "replace")
    with suppress(ValueError, RecursionError, AttributeError):
        said = json.loads(body)
        error = said.get("error", said)
        text = str(error.get("message") or error.get("detail") or text) if isinstance(error, dict) else str(error)
    words = "".join(letter if letter.isprintable() else " " for letter in text[:_SAID])
    return f": {' '.join(words.split())}" if words.strip() else ""
