"""What a server says of itself, asked in passing: which models it serves, how many requests wait in it, and whether it
still answers: one whose engine hangs or is broken lists its models all the same."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import httpx2
from anyio import EndOfStream
from pydantic import BaseModel, ValidationError

from ditto_models.vllm_answers import problem_of
from ditto_models.vllm_servers import KEY

PROBE_SECONDS = 5.0
"""That a server has to say which models it serves; a loaded one answers in milliseconds."""
NAMES_SHOWN = 300
"""Characters of the names of a server's models."""
SILENT = (httpx2.HTTPError, OSError, EndOfStream)
"""How a server does not answer; TLS that breaks off is raised by anyio itself."""
WAITING = re.compile(rb"^vllm:num_requests_waiting(?:\{[^}\n]*\})? ([0-9.eE+-]+)$", re.MULTILINE)
"""One line for each engine, as vLLM 0.32 writes its gauge for Prometheus."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a look at a server found."""

    problem: str = ""
    """Why it cannot be used now; empty where it can."""
    serves: tuple[str, ...] = ()
    """The models that it serves, where it said so."""


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


async def look(client: httpx2.AsyncClient, base_url: str, api_key: str, model: str) -> Looked:
    """Ask a server which models it serves."""
    headers = {"authorization": f"Bearer {api_key}"}
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            answer = await client.get(f"{base_url}/models", headers=headers, timeout=None)
    except TimeoutError:
        return Looked(problem=f"does not answer within {PROBE_SECONDS:.0f} s")
    except SILENT as error:
        words = " ".join(str(error).split()) or type(error).__name__
        return Looked(problem=f"does not answer ({words})")
    if answer.status_code in (401, 403):
        return Looked(problem=f"refuses the api key ({answer.status_code}): set {KEY} to the server's")
    try:
        serves = tuple(served.id for served in _Models.model_validate_json(answer.content).data)
    except ValidationError:
        return Looked(problem=f"answers {answer.status_code} and no list of models at {base_url}/models")
    names = ", ".join(map(repr, serves)) or "nothing"
    names = names if len(names) <= NAMES_SHOWN else f"{names[:NAMES_SHOWN]}..."
    return Looked(serves=serves, problem="" if model in serves else f"serves {names}, not {model!r}")


async def problem_of_answering(client: httpx2.AsyncClient, base_url: str, api_key: str, model: str, wait: float) -> str:
    """Ask a server for one word, for which it has `wait` seconds; empty where it takes the question.

    A server that refuses it, because it embeds and does not chat, works as well.
    """
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello."}], "max_completion_tokens": 1}
    headers = {"authorization": f"Bearer {api_key}"}
    try:
        async with asyncio.timeout(wait):
            answer = await client.post(f"{base_url}/chat/completions", json=asked, headers=headers, timeout=None)
    except SILENT as error:
        words = " ".join(str(error).split()) or type(error).__name__
        return f"lists its models, but does not answer ({words})"
    if 400 <= answer.status_code < 500:
        return ""
    problem = problem_of("/chat/completions", answer.content) if answer.status_code == 200 else "an error"
    return f"lists its models, but answers {answer.status_code} with {problem}" if problem else ""


async def requests_waiting(client: httpx2.AsyncClient, base_url: str) -> int | None:
    """The length of a server's queue, all its engines together; None where it has no such metric.

    Raises:
        one of SILENT: it did not answer.
    """
    async with asyncio.timeout(PROBE_SECONDS):
        answer = await client.get(base_url.removesuffix("/v1") + "/metrics", timeout=None)
    lengths = WAITING.findall(answer.content) if answer.status_code == 200 else []
    return sum(int(float(length)) for length in lengths) if lengths else None
