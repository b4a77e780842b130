"""Whole runs over servers that break in every way there is: no sample is lost or burnt, each fault is in the trace."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from agent.session import Session
from memory.ledger import Ledger
from tests.expert import expert
from tests.fake_run import campaign_of, fake_profile
from tests.led_run import calls_of, led_run
from tests.scripted_answers import HTML, Answer, Asked, Cut, Raw, Reset, Stall, Status, ToolCall
from tests.scripted_server import ScriptedServer
from tests.served import served_by

pytestmark = pytest.mark.slow

FAULTS: dict[str, tuple[Answer, str]] = {
    "reset": (Reset(), "lost"),
    "500": (Status(500), "broken"),
    "502": (Status(502), "gateway"),
    "429 with Retry-After": (Status(429, retry_after="0.2"), "busy"),
    "stall": (Stall(), "late"),
    "cut": (Cut(), "lost"),
    "cut in chunks": (Cut(chunked=True), "lost"),
    "HTML": (HTML, "no completion"),
    "nothing": (Raw(b""), "no completion"),
    "half a JSON": (Raw(b'{"choices": [{"mess'), "no completion"),
}
QUICK = "servers.vlm.timeout_seconds=3"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_now_and_then_costs_no_sample_and_is_in_the_trace(tmp_path: Path, name: str) -> None:
    fault, told = FAULTS[name]
    count = 0
    turn = threading.Lock()

    def breaks(asked: Asked) -> Answer:
        nonlocal count
        with turn:
            count += 1
            broken = count in (1, 4, 9, 16)
        return fault if broken else expert()(asked)

    with ScriptedServer(breaks) as server:
        # A busy machine may be late by itself.
        quick = [QUICK] if told == "late" else []
        profile = fake_profile(*served_by(server), *quick, name="served")
        outcome, decided = led_run(tmp_path, server, target=1, profile=profile)
    assert (outcome, [sample.decision for sample in decided]) == ("target met", ["accepted"])
    faults = [fault for call in calls_of(tmp_path / "run", decided) for fault in call.faults]
    assert len(faults) == 4 or (told == "late" and len(faults) > 4)
    assert all(f": {told}: " in fault and server.base_url in fault for fault in faults), faults


ODD: dict[str, Answer] = {
    "control characters": ToolCall("write_instruction", '{"edit_type": "weather", "wish": "a\\u0000\\u001b[2Jb"}'),
    "raw control characters": ToolCall("write_instruction", '{"edit_type": "weather", "wish": "a\x00\x1b[2Jb"}'),
    "200 kB of arguments": ToolCall("write_instruction", '{"edit_type": "weather", "wish": "' + "w" * 200_000 + '"}'),
    "arguments that are no JSON": ToolCall("write_instruction", '{"edit_type": '),
    "a tool that there is not": ToolCall("rm", '{"path": "/"}'),
    "a list for arguments": ToolCall("write_instruction", "[1, 2]"),
    "no call": "I would rather talk.",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_call_is_mended_or_defaulted_in_the_trace(tmp_path: Path, name: str) -> None:
    def odd(asked: Asked) -> Answer:
        return ODD[name] if "write_instruction" in asked.tools else expert()(asked)

    with ScriptedServer(odd) as server:
        outcome, [sample] = led_run(tmp_path, server, target=1)
    assert outcome == "target met"
    ledger = Ledger(tmp_path / "run" / "ledger.sqlite")
    [event] = [event for event in ledger.events(sample.id) if event.tool == "write_instruction"]
    ledger.close()
    assert event.planner_fallback
    assert len(event.refusals) == 3
    assert all(refusal.problem and len(refusal.answer) <= 2000 for refusal in event.refusals)
    assert all(refusal.answer.isprintable() for refusal in event.refusals)


def test_two_servers_one_killed_under_a_run_then_started_again(tmp_path: Path) -> None:
    asked_of: Counter[str] = Counter()

    def restart() -> None:
        asked_of["first, before it was back"] = asked_of["first"]
        first.restart()

    def counted(name: str) -> ScriptedServer:
        def answer(asked: Asked) -> Answer:
            asked_of[name] += 1
            if name == "first" and asked_of[name] == 6:
                threading.Timer(0.0, first.kill).start()
                threading.Timer(2.0, restart).start()
            return expert()(asked)

        return ScriptedServer(answer, seconds=0.05)

    first, second = counted("first"), counted("second")
    with first, second:
        outcome, decided = led_run(tmp_path, first, second, target=10)
    assert outcome == "target met"
    assert {sample.decision for sample in decided} == {"accepted"}
    faults = [fault for call in calls_of(tmp_path / "run", decided) for fault in call.faults]
    assert faults
    assert all(first.base_url in fault for fault in faults)
    assert asked_of["second"] > 20
    assert 6 <= asked_of["first, before it was back"] < asked_of["first"], "taken back"


def test_a_server_that_comes_back_with_another_model_burns_no_sample(tmp_path: Path) -> None:
    count = 0

    def answer(asked: Asked) -> Answer:
        nonlocal count
        count += 1
        if count == 12:
            server.model = "another"
            threading.Timer(1.0, setattr, (server, "model", "scripted")).start()
        return Status(404) if server.model == "another" else expert()(asked)

    server = ScriptedServer(answer)
    with server:
        outcome, decided = led_run(tmp_path, server, target=2)
    assert outcome == "target met"
    assert [sample.decision for sample in decided] == ["accepted"] * 2
    faults = [fault for call in calls_of(tmp_path / "run", decided) for fault in call.faults]
    assert any("answered 404" in fault for fault in faults)


@pytest.mark.parametrize("fault", [Status(500), Stall(), HTML], ids=lambda fault: type(fault).__name__)
def test_a_server_that_lists_its_models_but_answers_nothing_burns_no_sample(tmp_path: Path, fault: Answer) -> None:
    count, mended_at = 0, float("inf")

    def answer(asked: Asked) -> Answer:
        nonlocal count, mended_at
        count += 1
        if count == 12:
            mended_at = time.monotonic() + 4.0
        return fault if count >= 12 and time.monotonic() < mended_at else expert()(asked)

    with ScriptedServer(answer) as server:
        profile = fake_profile(*served_by(server), "servers.vlm.timeout_seconds=1", name="served")
        outcome, decided = led_run(tmp_path, server, target=2, profile=profile)
    assert outcome == "target met"
    assert [sample.decision for sample in decided] == ["accepted"] * 2


def test_when_no_server_is_left_the_run_waits_and_burns_no_sample(tmp_path: Path) -> None:
    told: list[str] = []
    begun = 0

    def dies(asked: Asked) -> Answer:
        nonlocal begun
        begun += 1
        if begun == 5:
            threading.Timer(0.0, server.kill).start()
            threading.Timer(4.0, server.restart).start()
        return expert()(asked)

    def prepare(session: Session) -> None:
        session.pools[0].on_change = told.append

    server = ScriptedServer(dies, seconds=0.05)
    with server:
        outcome, decided = led_run(tmp_path, server, target=2, prepare=prepare)
    assert outcome == "target met"
    assert [sample.decision for sample in decided] == ["accepted"] * 2
    assert any("waiting" in line for line in told)
    assert any("taken back" in line for line in told)
    calls = calls_of(tmp_path / "run", decided)
    assert max(call.waited_seconds for call in calls) > 2
    assert max(call.seconds for call in calls) < 2  # waiting is nobody's model time


def test_a_run_that_waits_for_a_server_can_be_stopped_and_resumed(tmp_path: Path) -> None:
    count = 0

    def dies(asked: Asked) -> Answer:
        nonlocal count
        count += 1
        if count == 5:
            threading.Timer(0.0, server.kill).start()
        return expert()(asked)

    def stop_once_it_waits(session: Session) -> None:
        def stop(line: str) -> None:
            if "waiting" in line:
                asyncio.get_running_loop().call_later(0.2, campaign_of(session).stop)

        session.pools[0].on_change = stop

    server = ScriptedServer(dies, seconds=0.05)
    with server:
        outcome, decided = led_run(tmp_path, server, target=2, prepare=stop_once_it_waits)
        assert outcome == "stopped"
        assert not [sample for sample in decided if sample.decision]
        before = Ledger(tmp_path / "run" / "ledger.sqlite")
        begun = {row.sample.id for row in before.rows()}
        before.close()
        server.restart()
        outcome, decided = led_run(tmp_path, server, target=2)
    assert outcome == "target met"
    assert begun <= {sample.id for sample in decided}
    assert [sample.decision for sample in decided] == ["accepted"] * 2


def test_a_request_that_no_server_can_take_fails_its_sample_alone(tmp_path: Path) -> None:
    poisoned: list[bytes] = []

    def breaks(asked: Asked) -> Answer:
        if "<task>" in asked.text and (not poisoned or asked.raw in poisoned):
            poisoned.append(asked.raw)
            return Reset()
        return expert()(asked)

    with ScriptedServer(breaks) as server:
        outcome, decided = led_run(tmp_path, server, target=1)
    assert outcome == "target met"
    assert sorted((str(sample.decision), *sample.reasons) for sample in decided) == [
        ("accepted",),
        ("failed", "write_instruction"),
    ]
    [failed] = [sample for sample in decided if sample.decision == "failed"]
    [call] = [call for call in calls_of(tmp_path / "run", [failed]) if call.error]
    assert call.purpose == "write"
    assert len(call.faults) == 3
