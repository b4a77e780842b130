"""A conversation that a served model leads over HTTP, on fakes: what comes of its answers, and what the trace holds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.leads import build_leads
from agent.run_config import RunConfig
from agent.session import open_session
from memory.talk import Said
from tests.fake_run import fake_models, fake_profile, make_clips
from tests.fake_talk import BEGIN, Talk, talking
from tests.scripted_answers import Answer, Asked, Length
from tests.scripted_server import ScriptedServer
from tests.served import served_by
from tools.talk_task import talk_system


@pytest.mark.slow
def test_a_served_model_leads_a_conversation_and_its_calls_are_in_the_trace(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        task = json.loads(asked.text.rpartition("<task>")[2].partition("</task>")[0])
        if task["wish"] == "mumble":
            return Length("{")
        offered = [(each, option["for_example"][0]) for each, option in task["options"].items()][:2]
        texts = [(each, f"{words.rstrip('.')} throughout.") for each, words in offered]
        edits = [{"option": each, "instruction": text, "strength": 0.7, "leaves_out": "no car"} for each, text in texts]
        return json.dumps({"plan": "Two ways.", "reply": "Here are two.", "asks": False, "edits": edits})

    with ScriptedServer(answer) as server:
        profile = fake_profile(*served_by(server), "writer={kind: vllm}")
        config = RunConfig(profile_name="embedded", seed=0, clips=str(make_clips(tmp_path / "clips")), profile=profile)
        models = fake_models(profile, leads=build_leads(profile))
        with open_session(tmp_path / "run", config, models, 2, lambda line: None) as session:
            asyncio.run(session.take_in())

            async def talk(it: Talk) -> None:
                assert await it.say(**BEGIN, words="make it winter") == "done"
                assert await it.say(call="say", words="mumble") == "done"

            it = talking(session, talk)
            events = list(it.ledger.events(it.id))
            tools, sample_then = it.tools, it.sample
    assert tools[-4:] == ["propose_edits", "preview_edits", "say", "propose_edits"]
    assert [each.number for each in sample_then.proposals] == [1, 2]
    assert all(each.key_frame and each.verdict and each.note == "no car" for each in sample_then.proposals)
    assert sample_then.talk[-1] == Said(by="person", words="mumble")
    [told, *_, lost] = [event for event in events if event.tool == "propose_edits"]
    assert (told.model, [call.purpose for call in told.calls]) == (server.model, ["talk"])
    assert told.calls[0].prompt_hash == talk_system(is_open=False).hash
    assert lost.error
    assert lost.error.startswith("scripted gave no answer that could be read (the answer was cut")
    assert lost.next_stage == "awaiting_person"
