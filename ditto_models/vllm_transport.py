"""The way of a call to one of several servers: leased, sent, read whole, checked, tried again if that may help, kept.

It is an httpx transport, so the OpenAI client above it knows of one server that always answers, and no caller sees a
retry. Purpose and prompt of a call come as x-ditto headers and go no further.
"""

from __future__ import annotations

import asyncio
import time

import httpx2
from anyio import EndOfStream
from openai import APIConnectionError, APIResponseValidationError, APITimeoutError, OpenAIError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from ditto_models.call_log import ChatCall, record
from ditto_models.vllm_answers import MOST_BYTES, tokens_of
from ditto_models.vllm_faults import Answer, AnswerTooLarge, Fault, fault_of_answer, fault_of_error
from ditto_models.vllm_lease import Lease
from ditto_models.vllm_loop import CONNECT_SECONDS
from ditto_models.vllm_pool import ServerPool

PURPOSE, PROMPT = "x-ditto-purpose", "x-ditto-prompt"
BUSY_TRIES = 20
"""How often one call may meet a busy server; each time it waits as long as the server asks."""
PLACEHOLDER = "http://servers.invalid/v1"
"""The one address that the client above knows; the path after it is sent to the leased server."""
_OWN_HEADERS = ("host", "content-length", "accept-encoding", "connection", PURPOSE, PROMPT)
_BACK_OFF = wait_random_exponential(multiplier=0.25, max=5)


class PooledTransport(httpx2.AsyncBaseTransport):
    """Sends each request to a server of the pool."""

    def __init__(self, pool: ServerPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer of one of the servers.

        Raises:
            openai.OpenAIError: no whole answer came in as many tries as a call has.
        """
        await request.aread()
        return await _Call(self._pool, request).answer()


class _AttemptFailed(Exception):
    def __init__(self, fault: Fault, answer: Answer | None) -> None:
        self.fault = fault
        self.answer = answer


class _Call:
    """One call with all its attempts."""

    def __init__(self, pool: ServerPool, request: httpx2.Request) -> None:
        self._pool = pool
        self._request = request
        self._path = request.url.path.removeprefix(httpx2.URL(PLACEHOLDER).path)
        self._began = time.monotonic()
        self._attempt_seconds: list[float] = []
        self._faults: list[str] = []
        self._server = ""
        self._avoid: frozenset[str] = frozenset()
        self._tries = 0
        self._busy = 0

    async def answer(self) -> httpx2.Response:
        """The answer, or the error of the last attempt, as a response or as the OpenAI client's own exception."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_be_sent_again), stop=self._is_enough, wait=_pause, reraise=True
        )
        try:
            answer: Answer = await retrying(self._attempt)
        except _AttemptFailed as failed:
            self._record(failed.answer, self._given_up(failed.fault))
            return self._response_or_error(failed)
        except BaseException as error:
            self._record(None, "cancelled" if isinstance(error, asyncio.CancelledError) else repr(error))
            raise
        self._record(answer, "")
        return self._response(answer)

    async def _attempt(self) -> Answer:
        async with self._pool.lease(self._avoid) as lease:
            self._server = lease.server.base_url
            started = time.monotonic()
            answer: Answer | None = None
            try:
                answer = await self._send(lease)
                fault = fault_of_answer(answer)
            except (httpx2.HTTPError, OSError, AnswerTooLarge, EndOfStream) as error:
                fault = fault_of_error(error)
                if fault is None:
                    raise
            finally:
                self._attempt_seconds.append(time.monotonic() - started)
            if fault is None:
                assert answer is not None
                self._pool.answered(lease)
                return answer
            self._note(fault)
            self._pool.failed(lease, fault)
        raise _AttemptFailed(fault, answer)

    async def _send(self, lease: Lease) -> Answer:
        config, request = self._pool.config, self._request
        headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in _OWN_HEADERS]
        sent = lease.client.build_request(
            request.method,
            lease.server.base_url + self._path,
            headers=[*headers, ("accept-encoding", "identity")],
            content=request.content or None,
            timeout=httpx2.Timeout(config.timeout_seconds, connect=min(CONNECT_SECONDS, config.timeout_seconds)),
        )
        # The time-outs of httpx are of one read: a server that sends a byte now and then would be waited for forever.
        async with asyncio.timeout(config.timeout_seconds):
            response = await lease.client.send(sent, stream=True)
            try:
                body = await _read(response)
            finally:
                await response.aclose()
        return Answer(path=self._path, status=response.status_code, headers=dict(response.headers), body=body)

    def _note(self, fault: Fault) -> None:
        self._faults.append(self._without_key(f"{self._server}: {fault.name}: {fault.said}"))
        self._avoid |= {self._server}
        self._tries += fault.is_try
        self._busy += fault.name == "busy"

    def _is_enough(self, state: RetryCallState) -> bool:
        return self._tries >= self._pool.config.tries or self._busy >= BUSY_TRIES

    def _given_up(self, fault: Fault) -> str:
        attempts = len(self._attempt_seconds)
        times = "" if attempts == 1 else f", the last of {attempts} attempts"
        return self._without_key(f"server {self._server}: {fault.said}{times}")

    def _response_or_error(self, failed: _AttemptFailed) -> httpx2.Response:
        """An error status goes up as it came; what the client above would misread becomes its own exception."""
        answer, said = failed.answer, self._given_up(failed.fault)
        if answer is not None and answer.status >= 300:
            return self._response(answer)
        if answer is not None:
            raise APIResponseValidationError(response=self._response(answer), body=None, message=said) from failed
        raise _connection_error(failed.fault, said, self._request) from failed

    def _response(self, answer: Answer) -> httpx2.Response:
        kept = {name: answer.headers[name] for name in ("content-type", "x-request-id") if name in answer.headers}
        return httpx2.Response(answer.status, headers=kept, content=answer.body, request=self._request)

    def _record(self, answer: Answer | None, error: str) -> None:
        seconds = self._attempt_seconds[-1] if self._attempt_seconds else 0.0
        prompt_tokens, answer_tokens = tokens_of(answer.body) if answer is not None else (0, 0)
        record(
            ChatCall(
                purpose=self._request.headers.get(PURPOSE, ""),
                prompt_hash=self._request.headers.get(PROMPT, ""),
                model=self._pool.config.model,
                server=self._server,
                request=self._request.content,
                answer=b"" if answer is None else self._without_key_bytes(answer.body),
                status=None if answer is None else answer.status,
                prompt_tokens=prompt_tokens,
                answer_tokens=answer_tokens,
                seconds=seconds,
                waited_seconds=max(0.0, time.monotonic() - self._began - sum(self._attempt_seconds)),
                faults=tuple(self._faults),
                error=error,
            )
        )

    def _without_key(self, text: str) -> str:
        """A server may repeat the key that it refuses; no record may."""
        return text.replace(self._key(), "***") if self._key() else text

    def _without_key_bytes(self, body: bytes) -> bytes:
        return body.replace(self._key().encode(), b"***") if self._key() else body

    def _key(self) -> str:
        key = self._pool.config.key()
        return "" if key == "none" else key


def _may_be_sent_again(error: BaseException) -> bool:
    return isinstance(error, _AttemptFailed) and error.fault.again


def _pause(state: RetryCallState) -> float:
    """The pool holds callers back where a server rests or is gone; only a fault of the answer needs a pause here."""
    error = state.outcome.exception() if state.outcome else None
    held_by_pool = isinstance(error, _AttemptFailed) and not error.fault.is_try
    return 0.0 if held_by_pool else _BACK_OFF(state)


async def _read(response: httpx2.Response) -> bytes:
    """The body, as long as it is no longer than an answer may be.

    Raises:
        AnswerTooLarge: it is.
    """
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            raise AnswerTooLarge(f"answered more than {MOST_BYTES // 1024**2} MiB, which no answer may take")
        parts.append(part)
    return b"".join(parts)


def _connection_error(fault: Fault, said: str, request: httpx2.Request) -> OpenAIError:
    if fault.name != "late":
        return APIConnectionError(message=said, request=request)
    late = APITimeoutError(request=request)
    late.message = said
    late.args = (said,)
    return late
