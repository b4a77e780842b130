"""Whole runs led over HTTP by a scripted model that does all well: who is asked what, and what the trace keeps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.model_calls import exact_request
from memory.artifacts import ArtifactStore
from tests.expert import expert
from tests.fake_run import fake_profile
from tests.led_run import calls_of, events_of, led_run
from tests.scripted_answers import Answer, Asked
from tests.scripted_server import ScriptedServer
from tests.served import served_by

pytestmark = pytest.mark.slow


def test_a_served_model_leads_a_run_to_its_target_and_every_call_is_in_the_trace(tmp_path: Path) -> None:
    with ScriptedServer(expert()) as server:
        outcome, decided = led_run(tmp_path, server)
    assert outcome == "target met"
    calls = calls_of(tmp_path / "run", decided)
    assert len(calls) == len(server.asked)
    purposes = Counter(call.purpose.split(".")[0] for call in calls)
    assert purposes.keys() == {"planner", "caption", "write", "judge"}
    assert all(call.prompt_tokens and call.answer_tokens and call.prompt_hash and call.answer for call in calls)
    assert all(event.tokens for event in events_of(tmp_path / "run", decided) if event.calls)
    assert {call.server for call in calls} == {server.base_url}
    for sample in decided:
        assert sample.provenance
        served = {role: sample.provenance.models[role] for role in ("planner", "captioner", "writer", "judge")}
        assert set(served.values()) == {server.model}


def test_the_trace_holds_every_request_as_it_was_sent(tmp_path: Path) -> None:
    with ScriptedServer(expert()) as server:
        _, decided = led_run(tmp_path, server, target=1)
    store = ArtifactStore(tmp_path / "run" / "artifacts")
    kept = Counter(exact_request(call, store) for call in calls_of(tmp_path / "run", decided))
    assert kept == Counter(asked.raw for asked in server.asked)


def test_requests_are_not_kept_where_the_profile_says_so(tmp_path: Path) -> None:
    with ScriptedServer(expert()) as server:
        profile = fake_profile(*served_by(server), "retention.requests=dropped", name="served")
        _, decided = led_run(tmp_path, server, target=1, profile=profile)
    calls = calls_of(tmp_path / "run", decided)
    assert {call.request for call in calls} == {""}
    assert all(len(call.request_sha256) == 64 for call in calls)


def test_the_captions_words_reach_the_writer_and_the_dataset(tmp_path: Path) -> None:
    with ScriptedServer(expert()) as server:
        _, [sample] = led_run(tmp_path, server, target=1)
    assert sample.description
    assert sample.description.caption.startswith("An orange square")
    assert sample.description.facts["greenery"] == 0.5  # measured all the same
    [asked] = [asked for asked in server.asked if "<task>" in asked.text]
    assert sample.description.caption in asked.text
    [line] = (tmp_path / "run" / "dataset" / "shard-00000" / "metadata.jsonl").read_text().splitlines()
    assert json.loads(line)["caption"] == sample.description.caption
    assert json.loads(line)["scores"]["instruction_followed"] > 0.8


def test_a_judge_that_finds_fault_is_heard_and_its_diagnosis_is_offered(tmp_path: Path) -> None:
    def harsh(asked: Asked) -> int:
        return 3 if "does everything move" in asked.text else 9

    with ScriptedServer(expert(harsh)) as server:
        _, [sample] = led_run(tmp_path, server, target=1, most=1)
    assert sample.decision == "rejected"
    assert sample.verdict
    assert sample.verdict.scores["motion_preserved"].passed is False
    assert sample.diagnoses
    states = [asked.text for asked in server.asked if asked.tools and "make the change of light plainer" in asked.text]
    assert states


MIXES: dict[str, tuple[str, ...]] = {
    "planner only": ("planner={kind: vllm}",),
    "all but the planner": ("describer={kind: vllm}", "writer={kind: vllm}"),
    "writer only": ("writer={kind: vllm}",),
}


@pytest.mark.parametrize("mix", MIXES)
def test_profiles_may_be_mixed(tmp_path: Path, mix: str) -> None:
    with ScriptedServer(expert()) as server:
        profile = fake_profile(*served_by(server), *MIXES[mix])
        outcome, decided = led_run(tmp_path, server, profile=profile)
    assert outcome == "target met"
    led = {"planner": "planner", "describer": "caption", "writer": "write"}
    wanted = {purpose for slot, purpose in led.items() if getattr(profile, slot).kind == "vllm"}
    assert {call.purpose for call in calls_of(tmp_path / "run", decided)} == wanted


def test_planner_writer_and_judge_may_each_have_servers_of_their_own(tmp_path: Path) -> None:
    def only(kind: Callable[[Asked], bool]) -> Callable[[Asked], Answer]:
        def answer(asked: Asked) -> Answer:
            assert kind(asked)
            return expert()(asked)

        return answer

    planner = ScriptedServer(only(lambda asked: bool(asked.tools)), model="small")
    others = ScriptedServer(only(lambda asked: not asked.tools), model="large")
    with planner, others:
        small = (f"servers.fast.base_urls={planner.base_url}", "servers.fast.model=small", "planner.server=fast")
        profile = fake_profile(*served_by(others), *small, name="served")
        outcome, _ = led_run(tmp_path, planner, target=1, profile=profile)
    assert outcome == "target met"
