"""The seam to a served model: what Ditto's client may rely on, tried on a real vLLM server with a random tiny model.

A random model would break every rule that the server does not enforce: each answer that keeps them shows that it does.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Annotated, Any, Literal

import cv2
import httpx2
import numpy as np
import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import Runnable
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ditto_models.call_log import recording
from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_probe import requests_waiting
from ditto_models.vllm_server import VllmServer
from ditto_models.vllm_servers import ServersConfig, ServersError

pytestmark = pytest.mark.slow


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EditKeyFrame(Arguments):
    frame: Literal["first", "middle", "last"]
    strength: Annotated[float, Field(ge=0, le=1)]
    candidates: Annotated[int, Field(ge=1, le=4)]


class WriteInstruction(Arguments):
    edit_type: Literal["season", "time_of_day", "style"]
    wish: Annotated[str, Field(max_length=60)]


class Reject(Arguments):
    reason: Literal["unsuitable", "duplicate"]
    note: Annotated[str, Field(max_length=40)]


class Critique(Arguments):
    pass


TOOLS: dict[str, type[Arguments]] = {
    "edit_key_frame": EditKeyFrame,
    "write_instruction": WriteInstruction,
    "reject": Reject,
    "critique_key_frame": Critique,
}


def tool(name: str, *, strict: bool = True) -> dict[str, Any]:
    function = {"name": name, "description": f"Call {name}.", "parameters": TOOLS[name].model_json_schema()}
    return {"type": "function", "function": function | ({"strict": True} if strict else {})}


def pool_of(server: VllmServer, model: str = "") -> ServerPool:
    return ServerPool(ServersConfig(base_urls=(server.base_url,), model=model or server.model))


def client(
    server: VllmServer, names: list[str] | None = None, *, strict: bool = True, **settings: Any
) -> Runnable[LanguageModelInput, AIMessage]:
    tools = [tool(name, strict=strict) for name in names or TOOLS]
    asked = {"strict": True} if strict else {}
    return chat_model(SamplingConfig(**settings), pool_of(server)).bind_tools(
        tools, tool_choice="required", parallel_tool_calls=False, **asked
    )


def ask(*picture_seeds: int) -> list[BaseMessage]:
    content: list[str | dict[Any, Any]] = [{"type": "text", "text": '{"stage": "instructed"}'}]
    for seed in picture_seeds:
        picture = np.random.default_rng(seed).integers(0, 255, (96, 160, 3), dtype=np.uint8)
        png = base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()
        content.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}})
    return [SystemMessage("Call one tool."), HumanMessage(content=content)]


def validate(message: AIMessage) -> Arguments:
    """The arguments of the one call there must be, after they passed its schema."""
    assert [call["name"] in TOOLS for call in message.tool_calls] == [True]
    call = message.tool_calls[0]
    return TOOLS[call["name"]].model_validate(call["args"])


def prompt_tokens(message: AIMessage) -> int:
    assert message.usage_metadata is not None
    return message.usage_metadata["input_tokens"]


async def test_arguments_always_satisfy_their_schema(vllm_server: VllmServer) -> None:
    called = set()
    for seed in range(12):
        called.add(type(validate(await client(vllm_server, temperature=1.5, seed=seed).ainvoke(ask(seed)))))
    assert len(called) > 1


@pytest.mark.parametrize("name", sorted(TOOLS))
async def test_each_tool_can_be_the_only_one(vllm_server: VllmServer, name: str) -> None:
    assert isinstance(validate(await client(vllm_server, [name], temperature=1.5).ainvoke(ask(1))), TOOLS[name])


async def test_server_binds_arguments_even_where_the_client_did_not_ask(vllm_server: VllmServer) -> None:
    for seed in range(4):
        validate(await client(vllm_server, strict=False, temperature=1.5, seed=seed).ainvoke(ask(seed)))


async def test_answer_cut_by_max_tokens_has_no_call_and_says_why(vllm_server: VllmServer) -> None:
    answer = await client(vllm_server, ["write_instruction"], max_tokens=30).ainvoke(ask(1))
    assert (answer.tool_calls, answer.invalid_tool_calls) == ([], [])
    assert answer.response_metadata["finish_reason"] == "length"


async def test_call_can_be_mended_after_an_error(vllm_server: VllmServer) -> None:
    planner, messages = client(vllm_server), ask(1)
    first = await planner.ainvoke(messages)
    error = ToolMessage("Not legal here; call reject.", tool_call_id=first.tool_calls[0]["id"], status="error")
    second = await planner.ainvoke([*messages, first, error])
    validate(second)
    assert prompt_tokens(second) > prompt_tokens(first)


async def test_answer_without_a_call_can_be_mended(vllm_server: VllmServer) -> None:
    cut = await client(vllm_server, max_tokens=8).ainvoke(ask(1))
    validate(await client(vllm_server).ainvoke([*ask(1), cut, HumanMessage("That held no whole call. Call one tool.")]))


async def test_every_picture_reaches_the_model(vllm_server: VllmServer) -> None:
    none, one, two = [prompt_tokens(await client(vllm_server).ainvoke(ask(*seeds))) for seeds in ((), (1,), (1, 2))]
    assert none < one < two
    assert two - one == one - none


async def test_seed_decides_the_answer(vllm_server: VllmServer) -> None:
    async def wish(seed: int) -> Arguments:
        return validate(await client(vllm_server, ["write_instruction"], temperature=1.5, seed=seed).ainvoke(ask(1)))

    assert await wish(3) == await wish(3)
    assert len({(await wish(seed)).model_dump_json() for seed in range(4)}) > 1


class Judgement(Arguments):
    reason: Annotated[str, Field(max_length=80)]
    score: Annotated[int, Field(ge=1, le=10)]
    faults: Annotated[list[Literal["blur", "flicker"]], Field(max_length=2)]


async def test_json_answers_hold_their_schema(vllm_server: VllmServer) -> None:
    wanted = {"name": "judgement", "strict": True, "schema": Judgement.model_json_schema()}
    body = {"response_format": {"type": "json_schema", "json_schema": wanted}}
    chat = chat_model(SamplingConfig(temperature=1.5), pool_of(vllm_server))
    answers = await asyncio.gather(*(chat.bind(extra_body=body, seed=seed).ainvoke(ask(seed)) for seed in range(6)))
    judgements = [Judgement.model_validate_json(str(answer.content)) for answer in answers]
    assert len({judgement.model_dump_json() for judgement in judgements}) > 1


async def test_the_request_on_record_sent_again_gives_the_same_answer(vllm_server: VllmServer) -> None:
    with recording() as calls:
        first = await client(vllm_server, temperature=1.5, seed=11).ainvoke(ask(2))
    [call] = calls
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as direct:
        headers = {"content-type": "application/json"}
        second = (await direct.post(f"{call.server}/chat/completions", content=call.request, headers=headers)).json()
    message = second["choices"][0]["message"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == first.tool_calls[0]["args"]
    assert (call.prompt_tokens, call.answer_tokens) == (
        second["usage"]["prompt_tokens"],
        second["usage"]["completion_tokens"],
    )
    assert (
        json.loads(call.answer)["choices"][0]["message"]["tool_calls"][0]["function"]
        == (message["tool_calls"][0]["function"])
    )


async def test_the_length_of_its_queue_is_read_where_vllm_says_it(vllm_server: VllmServer) -> None:
    pool = pool_of(vllm_server)
    await pool.check()
    async with httpx2.AsyncClient(trust_env=False) as direct:
        assert await requests_waiting(direct, vllm_server.base_url) == 0
        calls = [asyncio.create_task(client(vllm_server, temperature=1.5).ainvoke(ask(seed))) for seed in range(10)]
        waiting = 0  # it runs four at a time
        while not waiting and not all(call.done() for call in calls):
            waiting = await requests_waiting(direct, vllm_server.base_url) or 0
        await asyncio.gather(*calls)
    assert waiting > 0


async def test_many_samples_may_ask_at_once(vllm_server: VllmServer) -> None:
    planner = client(vllm_server, temperature=1.5)
    for answer in await asyncio.gather(*(planner.ainvoke(ask(seed)) for seed in range(8))):
        validate(answer)


async def test_another_model_than_ours_is_told_at_the_start_and_waited_out_later(vllm_server: VllmServer) -> None:
    pool, told = pool_of(vllm_server, "another"), list[str]()
    with pytest.raises(ServersError, match="serves 'tiny-vlm', not 'another'"):
        await pool.check()
    pool.on_change = told.append
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(8):
            await chat_model(SamplingConfig(), pool).ainvoke("hello")
    assert any("another" in line for line in told)


@pytest.mark.parametrize("base_url", ["127.0.0.1:8000/v1", "http://127.0.0.1:8000", ""])
def test_address_without_scheme_or_path_is_refused(base_url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        ServersConfig(base_urls=(base_url,), model="any")
