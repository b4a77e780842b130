"""Calls of served models as the ledger keeps them: the exact request as an artifact, its pictures apart.

The same key frame is shown to a model again and again: it is stored once, by content, and a request names it. Put
together again, a request is the bytes that were sent; its sha256 says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Sequence

from agent.plain import plain
from ditto_models.call_log import ChatCall
from memory.artifacts import ArtifactStore
from memory.sample import ModelCall

ANSWER_KEPT = 4000
"""Characters of an answer that the trace keeps."""
_SUFFIXES = {b"image/png": ".png", b"image/jpeg": ".jpg", b"video/jpeg": ".jpg"}
_INLINE = re.compile(rb"data:((?:image|video)/(?:png|jpeg));base64,([A-Za-z0-9+/=,]+)")
_NAMED = re.compile(
    rb"data:((?:image|video)/(?:png|jpeg));artifacts,([0-9a-f]{64}\.[a-z]{3}(?:,[0-9a-f]{64}\.[a-z]{3})*)"
)


class RequestLost(ValueError):
    """A request cannot be put together again: it or a picture of it is gone, or is not what was sent."""


def keep_call(call: ChatCall, artifacts: ArtifactStore, with_request: bool) -> ModelCall:
    """The call for the ledger; its request and pictures are stored first, unless that is not wanted."""
    pictures: list[str] = []
    request = ""
    if with_request and call.request:
        request = artifacts.put(_without_pictures(call.request, artifacts.put, pictures), ".json")
    return ModelCall(
        purpose=call.purpose,
        model=call.model,
        server=call.server,
        prompt_hash=call.prompt_hash,
        request=request,
        request_sha256=hashlib.sha256(call.request).hexdigest(),
        pictures=pictures,
        answer=_shown(call.answer),
        prompt_tokens=call.prompt_tokens,
        answer_tokens=call.answer_tokens,
        seconds=call.seconds,
        waited_seconds=call.waited_seconds,
        faults=[plain(fault) for fault in call.faults],
        error=plain(call.error),
        finish=_finish(call.answer),
        at=call.ended.isoformat(timespec="milliseconds"),
    )


def exact_request(call: ModelCall, artifacts: ArtifactStore) -> bytes:
    """The body that was sent.

    Raises:
        RequestLost: it was not kept, a part of it is gone, or it is not what was sent.
    """
    if not call.request:
        raise RequestLost(f"the request of this call to {call.model!r} was not kept (retention.requests)")

    def inline(found: re.Match[bytes]) -> bytes:
        pictures = (artifacts.path(name.decode()).read_bytes() for name in found[2].split(b","))
        return b"data:" + found[1] + b";base64," + b",".join(map(base64.b64encode, pictures))

    try:
        body = _NAMED.sub(inline, artifacts.path(call.request).read_bytes())
    except FileNotFoundError as error:
        raise RequestLost(f"{error}; requests of samples whose artifacts were given up are gone with them") from error
    if hashlib.sha256(body).hexdigest() != call.request_sha256:
        raise RequestLost(f"request {call.request!r} is not what was sent: its sha256 differs; restore the artifact")
    return body


def _without_pictures(body: bytes, put: Callable[[bytes, str], str], pictures: list[str]) -> bytes:
    def name(found: re.Match[bytes]) -> bytes:
        try:
            frames = [base64.b64decode(part, validate=True) for part in found[2].split(b",")]
        except binascii.Error:
            return found[0]
        if b",".join(map(base64.b64encode, frames)) != found[2]:
            return found[0]  # another spelling of base64, which would not come back as it was
        names = [put(frame, _SUFFIXES.get(found[1], ".bin")) for frame in frames]
        pictures.extend(names)
        return b"data:" + found[1] + b";artifacts," + ",".join(names).encode()

    return _INLINE.sub(name, body)


def _shown(answer: bytes) -> str:
    """What the model said, or called, in an answer; of anything else its beginning."""
    try:
        message = json.loads(answer)["choices"][0]["message"]
        calls = [
            f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls") or ()
        ]
        said = "; ".join([*calls, *([message["content"]] if message.get("content") else [])])
    except (ValueError, KeyError, IndexError, TypeError):
        said = answer[:ANSWER_KEPT].decode(errors="replace")
    return plain(said if len(said) <= ANSWER_KEPT else f"{said[:ANSWER_KEPT]}...")


def _finish(answer: bytes) -> str:
    try:
        return plain(str(json.loads(answer)["choices"][0]["finish_reason"] or ""))[:40]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def tokens_of(calls: Sequence[ModelCall]) -> int | None:
    """Tokens read and written by these calls; None where there were none."""
    return sum(call.prompt_tokens + call.answer_tokens for call in calls) or None
