"""Throughput through our chat client and pool, beside raw requests of the same body that are spread over the same
servers by hand; part of `bench.planner`."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

import httpx2
from langchain_core.messages import convert_to_messages

from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_loop import CONNECTIONS
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_servers import ServersConfig
from tests.scripted_server import ScriptedServer

Send = Callable[[int], Awaitable[None]]
"""One request; which one, from 0, may decide where it goes."""
BLOCKS = 3
"""Of each way, in turns; the first of each before them is not counted."""
SLOTS = 8
SCRIPTED_SECONDS = 0.2
SCRIPTED_BODY = json.dumps(
    {"model": "scripted", "messages": [{"role": "user", "content": "What is to be seen?"}], "temperature": 0.0}
).encode()


@dataclass(frozen=True, kw_only=True)
class Load:
    """So many requests, so many of them under way."""

    requests: int
    at_once: int


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Requests a second; `ratio` is the median of ours / raw, block by block."""

    ours: float
    raw: float
    ratio: float
    robin: float = 0.0
    """Of raw requests that go to the servers in turns; 0 where that was not measured."""


@contextmanager
def scripted(*seconds: float, slots: int = SLOTS) -> Iterator[list[str]]:
    """Addresses of scripted servers in processes of their own, one for each time that a request takes."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as undo:
        addresses = []
        for each in seconds:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, slots, each), daemon=True)
            process.start()
            undo.callback(process.join)
            undo.callback(ours.send, "end")
            addresses.append(str(ours.recv()))
        yield addresses


def _serve(parent: Connection, slots: int, seconds: float) -> None:
    with ScriptedServer(slots=slots, seconds=seconds) as server:
        parent.send(server.base_url)
        parent.recv()


async def measured(addresses: Sequence[str], body: bytes, load: Load, robin: bool = False) -> Rates:
    """Blocks of requests in turns: by hand, through the pool and, if wanted, to one server after the other."""
    pool = _pool(addresses, body)
    try:
        async with _client() as client:
            posting = [_poster(client, address, body) for address in addresses]
            ways: dict[str, Callable[[], Awaitable[float]]] = {
                "raw": lambda: by_hand(posting, load),
                "ours": lambda: drive(_asker(pool, body), load),
            }
            if robin:
                ways["robin"] = lambda: drive(_in_turns(posting), load)
            taken: dict[str, list[float]] = {way: [] for way in ways}
            for _, (way, block) in itertools.product(range(1 + BLOCKS), ways.items()):
                taken[way].append(await block())
    finally:
        await pool.close()
    rates = {way: load.requests / median(seconds[1:]) for way, seconds in taken.items()}
    ratio = median(raw / ours for raw, ours in zip(taken["raw"][1:], taken["ours"][1:], strict=True))
    return Rates(ours=rates["ours"], raw=rates["raw"], ratio=ratio, robin=rates.get("robin", 0.0))


async def first_block(addresses: Sequence[str], body: bytes, load: Load) -> Rates:
    """The first requests of a new pool, which has yet to find out how many the servers bear."""
    pool = _pool(addresses, body)
    try:
        async with _client() as client:
            raw = await by_hand([_poster(client, address, body) for address in addresses], load)
        ours = await drive(_asker(pool, body), load)
    finally:
        await pool.close()
    return Rates(ours=load.requests / ours, raw=load.requests / raw, ratio=raw / ours)


async def drive(send: Send, load: Load) -> float:
    """Seconds that a load took, sent by as many tasks as requests are to be under way."""
    numbers = iter(range(load.requests))

    async def work() -> None:
        for number in numbers:
            await send(number)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(load.at_once)))
    return time.perf_counter() - started


async def by_hand(posting: Sequence[Send], load: Load) -> float:
    """The same, with an equal part of the requests and of the tasks for each server."""
    part = Load(requests=load.requests // len(posting), at_once=load.at_once // len(posting))
    return max(await asyncio.gather(*(drive(post, part) for post in posting)))


def _in_turns(posting: Sequence[Send]) -> Send:
    return lambda number: posting[number % len(posting)](number)


def _pool(addresses: Sequence[str], body: bytes) -> ServerPool:
    return ServerPool(ServersConfig(base_urls=tuple(addresses), model=json.loads(body)["model"]))


def _asker(pool: ServerPool, body: bytes) -> Send:
    """Asks what the body asks, as a component of ours would."""
    asked = json.loads(body)
    most = asked.pop("max_completion_tokens", 1024)
    chat = chat_model(SamplingConfig(temperature=asked.pop("temperature"), max_tokens=most), pool)
    del asked["model"]
    messages = convert_to_messages(asked.pop("messages"))
    bound = chat.bind(**asked)

    async def ask(number: int) -> None:
        await bound.ainvoke(messages)

    return ask


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False, timeout=None, limits=CONNECTIONS)


def _poster(client: httpx2.AsyncClient, address: str, body: bytes) -> Send:
    async def post(number: int) -> None:
        await post_body(client, address, body)

    return post


async def post_body(client: httpx2.AsyncClient, address: str, body: bytes) -> None:
    """One chat request as it is, and its answer read whole.

    Raises:
        httpx2.HTTPStatusError: the server did not answer it well.
    """
    headers = {"content-type": "application/json", "authorization": "Bearer none", "accept-encoding": "identity"}
    (await client.post(f"{address}/chat/completions", content=body, headers=headers)).raise_for_status()
