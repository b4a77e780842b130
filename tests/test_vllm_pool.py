"""A pool over real HTTP servers: the least loaded is asked, a dead one is set aside, the last one waited for."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from ditto_models.call_log import recording
from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_pool import FAULTS_IN_A_ROW, ServerPool
from ditto_models.vllm_servers import ServersConfig, ServersError
from ditto_models.waits import own_waits
from tests.scripted_server import HTML, Answer, Asked, Cut, Fault, Reset, ScriptedServer, Stall, Status

pytestmark = pytest.mark.slow


def pool_of(*servers: ScriptedServer, **settings: Any) -> ServerPool:
    addresses = tuple(server.base_url for server in servers)
    pool = ServerPool(ServersConfig(base_urls=addresses, model="scripted", **{"timeout_seconds": 5.0} | settings))
    pool.on_change = lambda line: None
    return pool


def told_by(pool: ServerPool) -> list[str]:
    lines: list[str] = []
    pool.on_change = lines.append
    return lines


async def ask(pool: ServerPool) -> str:
    return str((await chat_model(SamplingConfig(), pool).ainvoke("hello")).content)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 -- it is another thread that makes it hold
            await asyncio.sleep(0.01)


async def test_servers_share_the_load_by_what_they_bear() -> None:
    with ScriptedServer(seconds=0.02) as quick, ScriptedServer(seconds=0.2) as slow:
        pool = pool_of(quick, slow, first_concurrency=2)
        await asyncio.gather(*(ask(pool) for _ in range(60)))
        assert len(quick.asked) + len(slow.asked) == 60
        assert len(quick.asked) > 2 * len(slow.asked) > 0
        assert [server.in_flight for server in pool.servers] == [0, 0]
        await pool.close()


async def test_no_more_calls_are_under_way_than_the_limit() -> None:
    with ScriptedServer(seconds=0.02) as server:
        pool = pool_of(server, first_concurrency=3, most_concurrency=5)
        await asyncio.gather(*(ask(pool) for _ in range(60)))
        assert 3 <= server.most_running_and_waiting <= 5
        await pool.close()


async def test_a_dead_server_is_set_aside_and_taken_back() -> None:
    with ScriptedServer() as steady, ScriptedServer() as other:
        pool = pool_of(steady, other)
        lines = told_by(pool)
        other.kill()
        with recording() as calls:
            await asyncio.gather(*(ask(pool) for _ in range(20)))
        assert len(calls) == 20
        assert not any(call.error for call in calls)
        assert {call.server for call in calls} == {steady.base_url}
        assert any("unreachable" in fault for call in calls for fault in call.faults)
        await until(lambda: len(lines) == 1)
        other.restart()
        await until(lambda: len(lines) == 2)
        assert lines[0].startswith(f"server {other.base_url} set aside: cannot be reached")
        assert lines[1].startswith(f"server {other.base_url} taken back after")
        await asyncio.gather(*(ask(pool) for _ in range(20)))
        assert other.asked
        await pool.close()


async def test_a_server_that_only_breaks_is_left_for_the_other() -> None:
    with ScriptedServer() as steady, ScriptedServer(lambda asked: Status(500)) as broken:
        pool = pool_of(steady, broken)
        for _ in range(10):
            assert await ask(pool) == "It is a clip."
        calls = [asked for asked in broken.asked if asked.text != "Hello."]  # which only the pool itself says
        assert len(calls) == FAULTS_IN_A_ROW
        await pool.close()


async def test_callers_wait_for_the_last_server_and_lose_no_try() -> None:
    async def sample() -> str:
        own_waits()
        return await ask(pool)

    with ScriptedServer() as server:
        pool = pool_of(server, tries=1)
        lines = told_by(pool)
        server.kill()
        waiting = [asyncio.create_task(sample()) for _ in range(8)]
        await until(lambda: "no server of 1 answers: waiting" in lines)
        assert pool.waiting_tasks() == set(waiting)
        await asyncio.sleep(0.5)
        waiting[0].cancel()
        server.restart()
        said = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(said[0], asyncio.CancelledError)
        assert said[1:] == ["It is a clip."] * 7
        assert pool.waiting_tasks() == set()
        await pool.close()


async def test_who_only_queues_waits_for_no_server() -> None:
    with ScriptedServer(seconds=0.2) as server:
        pool = pool_of(server, first_concurrency=1)
        tasks = [asyncio.create_task(ask(pool)) for _ in range(3)]
        await until(lambda: server.running == 1)
        assert pool.waiting_tasks() == set()
        await asyncio.gather(*tasks)
        await pool.close()


async def test_a_hung_server_is_set_aside_and_its_call_goes_to_another() -> None:
    with ScriptedServer() as steady, ScriptedServer(lambda asked: Stall(60)) as hung:
        pool = pool_of(steady, hung, timeout_seconds=0.3, tries=2)
        assert await asyncio.gather(*(ask(pool) for _ in range(6))) == ["It is a clip."] * 6
        assert hung.asked
        await pool.close()


async def test_a_resting_server_is_left_alone_while_another_answers() -> None:
    with ScriptedServer() as one, ScriptedServer() as other:
        pool = pool_of(one, other)
        one.script(Status(429, retry_after="30"))
        lines, began = told_by(pool), time.monotonic()
        for _ in range(6):
            await ask(pool)
        assert time.monotonic() - began < 5
        assert len(one.asked) <= 1
        assert lines == [f"server {one.base_url} is left alone for 30 s: it answered 429: scripted"]
        await pool.close()


async def test_leases_do_not_leak_when_tasks_are_cancelled_at_any_moment() -> None:
    chance = random.Random(5)
    with ScriptedServer(seconds=0.005) as one, ScriptedServer(seconds=0.005) as other:
        pool = pool_of(one, other, first_concurrency=2, most_concurrency=3)

        async def ask_a_while() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.random() * 0.15):
                    await ask(pool)

        await asyncio.gather(*(ask_a_while() for _ in range(150)))
        assert [server.in_flight for server in pool.servers] == [0, 0]
        assert await asyncio.gather(*(ask(pool) for _ in range(10))) == ["It is a clip."] * 10
        await pool.close()


async def test_no_call_is_lost_and_nothing_hangs_while_servers_die_and_break_at_random() -> None:
    chance = random.Random(7)
    faults: list[Fault] = [Reset(), Cut(), HTML, Status(500), Status(502), Status(503), Status(429, retry_after="0.1")]

    def answer(asked: Asked) -> Answer:
        return chance.choice(faults) if chance.random() < 0.2 else "a clip"

    async def break_them() -> None:
        while True:
            victim = chance.choice(servers)
            victim.kill()
            await asyncio.sleep(chance.random() * 0.3)
            victim.restart()
            await asyncio.sleep(chance.random() * 0.2)

    async def sample() -> str:
        async with asyncio.timeout(60 if chance.random() < 0.8 else chance.random() * 0.5):
            return await ask(pool)

    with ScriptedServer(answer, seconds=0.01) as one, ScriptedServer(answer, seconds=0.01) as other:
        servers = [one, other]
        pool = pool_of(*servers, tries=100, timeout_seconds=5)
        breaking = asyncio.create_task(break_them())
        said = await asyncio.gather(*(sample() for _ in range(120)), return_exceptions=True)
        breaking.cancel()
        await asyncio.gather(breaking, return_exceptions=True)
        assert {str(one) for one in said} <= {"a clip", ""}  # "" is the time-out of the sample itself
        assert said.count("a clip") > 90
        assert [server.in_flight for server in pool.servers] == [0, 0]
        await pool.close()


def test_a_pool_may_be_used_in_a_second_event_loop() -> None:
    with ScriptedServer() as one, ScriptedServer() as other:
        pool = pool_of(one, other)
        chat = chat_model(SamplingConfig(), pool)

        async def several() -> list[str]:
            return [str(said.content) for said in await asyncio.gather(*(chat.ainvoke("hello") for _ in range(4)))]

        assert asyncio.run(several()) == ["It is a clip."] * 4
        other.kill()
        assert asyncio.run(several()) == ["It is a clip."] * 4
        other.restart()

        async def until_back() -> None:
            await several()
            await until(lambda: not any(server.aside for server in pool.servers))

        asyncio.run(until_back())


async def test_check_says_which_servers_cannot_be_used() -> None:
    with ScriptedServer(model="another") as wrong, ScriptedServer() as dead:
        dead.kill()
        with pytest.raises(ServersError, match=r"no server serves model 'scripted': .* serves 'another', not"):
            await pool_of(wrong, dead).check()
        with pytest.raises(ServersError, match=r"no server can be used: http\S+ does not answer .* start one with"):
            await pool_of(dead).check()


async def test_check_sets_aside_what_others_can_stand_in_for() -> None:
    with ScriptedServer() as good, ScriptedServer(model="another") as wrong:
        pool = pool_of(good, wrong)
        lines = told_by(pool)
        await pool.check()
        await asyncio.gather(*(ask(pool) for _ in range(5)))
        assert (len(good.asked), len(wrong.asked)) == (5, 0)
        assert lines == [f"server {wrong.base_url} set aside: serves 'another', not 'scripted'"]
        await pool.close()


async def test_a_server_without_metrics_is_told_once() -> None:
    with ScriptedServer(seconds=0.7, metrics=False) as server:
        pool = pool_of(server)
        lines = told_by(pool)
        await asyncio.gather(ask(pool), ask(pool))
        await ask(pool)
        assert [line.split(" has ")[1].split(":")[0] for line in lines] == ["no vLLM metrics"]
        await pool.close()


async def test_the_queue_of_a_server_lowers_its_limit_to_what_it_runs() -> None:
    with ScriptedServer(slots=4, seconds=0.1) as server:
        pool = pool_of(server, first_concurrency=16)
        calls = [asyncio.create_task(ask(pool)) for _ in range(300)]
        await until(lambda: pool.servers[0].limit.calls <= 9)
        await until(lambda: server.running + server.waiting <= 9)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await pool.close()


@pytest.mark.parametrize("address", ["127.0.0.1:8000/v1", "http://127.0.0.1:8000", "ftp://a/v1", "http://a:x/v1",
                                     "http://me:secret@host/v1", "http://a/v1?key=1", "http://[::1/v1",
                                     "http://a/v1 http://b/v1", "http://a/v1;http://b/v1"])  # fmt: skip
def test_address_without_scheme_or_path_or_with_a_secret_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="base_urls"):
        ServersConfig(base_urls=(address,), model="any")


def test_addresses_come_from_the_environment_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ServersConfig.model_validate({"base_urls": "http://a/v1, http://b/v1/", "model": "any"})
    assert given.addresses() == ("http://a/v1", "http://b/v1")
    none = ServersConfig(model="any")
    monkeypatch.delenv("VLLM_BASE_URL", raising=False)
    assert none.addresses() == ("http://127.0.0.1:8000/v1",)
    monkeypatch.setenv("VLLM_BASE_URL", "http://c:1/v1,http://d:2/v1")
    assert none.addresses() == ("http://c:1/v1", "http://d:2/v1")
    monkeypatch.setenv("VLLM_BASE_URL", "localhost:8000")
    with pytest.raises(ValueError, match=r"VLLM_BASE_URL: 'localhost:8000' is no address .*; expected addresses"):
        none.addresses()


async def test_a_proxy_is_never_asked_for_a_server_on_this_machine_nor_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "OPENAI_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with ScriptedServer() as server:
        pool = pool_of(server)
        assert await ask(pool) == "It is a clip."
        await pool.close()
    assert not caplog.records
