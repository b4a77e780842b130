"""A real HTTP server that breaks: no call is lost that another try can save, and each fault is in the call's record."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from ditto_models.call_log import ChatCall, recording
from ditto_models.vllm import SamplingConfig, chat_model, http_client
from ditto_models.vllm_answers import MOST_BYTES
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_servers import ServersConfig
from tests.scripted_server import (
    HTML,
    Answer,
    Cut,
    Die,
    Drip,
    Fault,
    Raw,
    Reset,
    ScriptedServer,
    Stall,
    Status,
    ToolCall,
)

pytestmark = pytest.mark.slow
COMPLETION = b'{"choices": [{"message": {"role": "assistant", "content": "yes"}}]}'


def pool_of(*servers: ScriptedServer, **settings: Any) -> ServerPool:
    config = {"timeout_seconds": 5.0, "api_key": "secret-key"} | settings
    pool = ServerPool(ServersConfig(base_urls=tuple(server.base_url for server in servers), model="scripted", **config))
    pool.on_change = lambda line: None
    return pool


async def ask(pool: ServerPool) -> tuple[str, ChatCall]:
    """The answer, or the words of the error that the caller got; and the call as recorded."""
    headers = {"x-ditto-purpose": "judge.source_preserved", "x-ditto-prompt": "abc"}
    with recording() as calls:
        try:
            said = str((await chat_model(SamplingConfig(), pool).bind(extra_headers=headers).ainvoke("hello")).content)
        except openai.OpenAIError as error:
            said = type(error).__mro__[1].__name__
    [call] = calls
    return said, call


@pytest.mark.parametrize(
    ("fault", "name", "seconds"),
    [
        (Reset(), "lost", 5),
        (Cut(), "lost", 5),
        (Cut(chunked=True), "lost", 5),
        (HTML, "no completion", 5),
        (Raw(COMPLETION[:-9]), "no completion", 5),
        (Status(500), "broken", 5),
        (Status(502), "gateway", 5),
        (Status(503), "busy", 5),
        (Status(429, retry_after="0.2"), "busy", 5),
        (Stall(), "late", 0.4),
        (Drip(), "late", 0.4),
    ],
    ids=str,
)
async def test_a_call_outlives_a_fault_and_says_so(fault: Fault, name: str, seconds: float) -> None:
    with ScriptedServer() as server:
        pool = pool_of(server, timeout_seconds=seconds)
        server.script(fault)
        said, call = await ask(pool)
        assert said == "It is a clip."
        assert [line.split(": ")[1] for line in call.faults] == [name]
        assert (call.status, call.error, call.server) == (200, "", server.base_url)
        assert server.asked[0].raw == server.asked[1].raw == call.request
        assert not [header for header in server.asked[1].headers if "ditto" in header]
        assert (call.purpose, call.prompt_hash, call.model) == ("judge.source_preserved", "abc", "scripted")
        assert (await ask(pool))[1].faults == ()
        await pool.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Status(500), "InternalServerError"),
        (Status(502), "InternalServerError"),
        (Reset(), "APIConnectionError"),
        (Stall(), "APITimeoutError"),
        (HTML, "APIError"),
    ],
    ids=str,
)
async def test_a_call_is_given_up_after_its_tries_and_the_next_is_answered(fault: Fault, error: str) -> None:
    with ScriptedServer() as server:
        pool = pool_of(server, timeout_seconds=0.4, tries=2)
        server.script(fault, fault)
        said, call = await ask(pool)
        assert said == error
        assert len(call.faults) == len(server.asked) == 2
        assert call.error.endswith("the last of 2 attempts")
        assert (await ask(pool))[0] == "It is a clip."
        await pool.close()


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_a_request_that_is_refused_is_not_sent_again(code: int) -> None:
    with ScriptedServer() as server:
        pool = pool_of(server)
        server.script(Status(code))
        said, call = await ask(pool)
        assert said.endswith("Error")
        assert (len(server.asked), call.status) == (1, code)
        assert (await ask(pool))[0] == "It is a clip."
        await pool.close()


async def test_busy_servers_cost_no_try() -> None:
    with ScriptedServer() as server:
        pool = pool_of(server, tries=1)
        server.script(*[Status(429, retry_after="0")] * 5, Status(503, retry_after="0"))
        said, call = await ask(pool)
        assert (said, len(call.faults)) == ("It is a clip.", 6)
        await pool.close()


async def test_a_server_killed_under_a_call_and_restarted_answers_it() -> None:
    async def restart() -> None:
        await asyncio.to_thread(server.died.wait)
        await asyncio.sleep(0.3)
        server.restart()

    with ScriptedServer() as server:
        pool, lines = pool_of(server, tries=2), list[str]()
        pool.on_change = lines.append
        server.script(Die())
        (said, call), _ = await asyncio.gather(ask(pool), restart())
        assert said == "It is a clip."
        assert [line.split(": ")[1] for line in call.faults] == ["lost"]
        assert call.waited_seconds > 0.2
        assert [line.split(server.base_url)[-1].split(":")[0].rsplit(" after")[0] for line in lines] == [
            " set aside",
            "no server of 1 answers",
            " taken back",
        ]
        await pool.close()


async def test_a_key_that_a_server_repeats_stays_out_of_the_record() -> None:
    with ScriptedServer() as server:
        pool = pool_of(server, tries=1)
        server.script(Status(401, body=b'{"error": {"message": "Incorrect API key: secret-key"}}'))
        _, call = await ask(pool)
        assert server.asked[0].headers["authorization"] == "Bearer secret-key"
        assert "Incorrect API key: ***" in call.error
        assert "secret-key" not in repr(call)
        await pool.close()


async def test_hostile_answers_come_through_or_are_refused() -> None:
    def says(scripted: Answer) -> ScriptedServer:
        return ScriptedServer(lambda asked: scripted)

    hostile = json.dumps({"note": "\x00\x1b]0;x\x07" + "a" * 200_000})
    with says(ToolCall("reject", hostile)) as server:
        pool = pool_of(server)
        message = await chat_model(SamplingConfig(), pool).ainvoke("hello")
        assert message.tool_calls[0]["args"] == json.loads(hostile)
        await pool.close()
    with says("x" * (MOST_BYTES + 1)) as server:
        pool = pool_of(server)
        said, call = await ask(pool)
        assert (said, len(server.asked), len(call.answer)) == ("APIConnectionError", 1, 0)
        assert "more than 8 MiB" in call.error
        await pool.close()


async def test_half_a_surrogate_pair_is_an_answer_like_any() -> None:
    body = COMPLETION.replace(b"yes", rb"\ud83d cut emoji")
    with ScriptedServer(lambda asked: Raw(body)) as server:
        pool = pool_of(server)
        said, _ = await ask(pool)
        assert said == "\ud83d cut emoji"
        await pool.close()


async def test_embeddings_go_the_same_way() -> None:
    with ScriptedServer() as server:
        pool = pool_of(server)
        server.script(Reset(), Raw(b'{"data": []}'))
        with recording() as calls:
            client = http_client(pool)
            answered = await client.post("/embeddings", json={"model": "scripted", "input": ["a", "b"]})
        assert len(answered.json()["data"]) == 2
        assert [line.split(": ")[1] for line in calls[0].faults] == ["lost", "no completion"]
        await pool.close()
