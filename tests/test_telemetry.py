"""Spans at a real collector: the whole tree of a run on fakes and of one led over HTTP; and no collector at all."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from agent.campaign import Limits
from agent.profile import ProfileError, load_profile
from agent.session import Session
from agent.telemetry import FLUSH_SECONDS, sending_spans
from agent.telemetry_config import TelemetryConfig
from memory.sample import Event, Sample, Stage
from tests.expert import expert
from tests.fake_run import campaign_of, fake_models, fake_profile, make_clips, run_fake
from tests.fake_talk import BEGIN, Talk, talk_session, talking
from tests.led_run import calls_of, events_of, led_run
from tests.otlp_receiver import Received, Receiver, Value
from tests.scripted_server import ScriptedServer
from tests.served import served_by

KNOWN = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}


@pytest.fixture(autouse=True)
def _not_by_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")


def one_weak(sample: Sample) -> Mapping[str, float | None]:
    """The first sample's video moves as no source does; one axis of the others cannot be assessed."""
    return {"source_motion": 0.1} if sample.id.startswith("000001") else {}


def check_tree(receiver: Receiver, events: list[Event], samples: list[Sample]) -> list[Received]:
    """A trace a sample, its events under its root, its calls under their events, each within its parent's time."""
    roots = receiver.roots()
    assert sorted(str(root.attributes["ditto.sample.id"]) for root in roots) == sorted(each.id for each in samples)
    assert len({root.trace for root in roots}) == len(samples)
    by_seq = {span.attributes["ditto.event.seq"]: span for root in roots for span in receiver.under(root)}
    calls = [call for span in by_seq.values() for call in receiver.under(span)]
    assert sorted(by_seq, key=str) == sorted((event.seq for event in events), key=str)
    assert len(calls) == sum(len(event.calls) for event in events)
    assert len(receiver.spans) == len(roots) + len(by_seq) + len(calls) == len({span.id for span in receiver.spans})
    parents = {span.id: span for span in receiver.spans}
    for span in (span for span in receiver.spans if span.parent):
        parent, slack = parents[span.parent], 20_000_000  # clocks of two kinds, and the ledger's milliseconds
        assert span.trace == parent.trace
        assert parent.began - slack <= span.began <= span.ended <= parent.ended + slack
    names = {
        name for span in receiver.spans for name in [*span.attributes, *(key for _, of in span.events for key in of)]
    }
    assert {name for name in names if name.startswith("gen_ai.")} <= KNOWN
    assert {span.service for span in receiver.spans} == {"ditto"}
    return roots


def test_a_run_on_fakes_is_a_trace_a_sample_with_what_its_judges_said(tmp_path: Path) -> None:
    with Receiver() as receiver:
        profile = fake_profile(f"telemetry.endpoint={receiver.address}")
        models = fake_models(profile, values=one_weak)
        run = tmp_path / "run"
        _, samples = run_fake(run, make_clips(tmp_path / "clips"), 2, profile=profile, models=models)
    assert set(receiver.paths) == {"/v1/traces"}
    assert {headers["x-key"] for headers in receiver.headers} == {"secret"}
    events = events_of(run, samples)
    for root in check_tree(receiver, events, samples):
        sample = next(each for each in samples if each.id == root.attributes["ditto.sample.id"])
        assert sample.instruction
        assert root.name == "invoke_agent ditto"
        assert root.attributes["ditto.decision"] == sample.decision
        assert root.attributes["ditto.reasons"] == sample.reasons
        assert root.attributes["ditto.edit_type"] == sample.instruction.edit_type
        steps = receiver.under(root)
        own = [event for event in events if event.sample_id == sample.id]
        assert [step.name for step in steps] == [f"execute_tool {event.tool}" for event in own]
        judged = next(step for step in reversed(steps) if step.name == "execute_tool critique_video")
        assert sample.verdict
        found = {str(of["gen_ai.evaluation.name"]): of for name, of in judged.events if "evaluation" in name}
        assert found.keys() == sample.verdict.scores.keys()
        for axis, score in sample.verdict.scores.items():
            assert found[axis]["gen_ai.evaluation.score.value"] == score.value
            assert found[axis]["gen_ai.evaluation.score.label"] == ("pass" if score.passed else "fail")
            assert found[axis]["gen_ai.evaluation.explanation"] == score.reason
    assert {sample.decision for sample in samples} == {"accepted", "rejected"}
    said = json.dumps([[dict(span.attributes), span.events] for span in receiver.spans], default=dict)
    assert not [sample.id for sample in samples if sample.instruction and sample.instruction.text in said]


@pytest.mark.slow
def test_a_run_led_over_http_has_its_model_calls_under_the_steps_that_made_them(tmp_path: Path) -> None:
    with Receiver() as receiver, ScriptedServer(expert()) as server:
        telemetry = (f"telemetry.endpoint={receiver.address}/", "telemetry.content=text")
        profile = fake_profile(*served_by(server), *telemetry, name="served")
        _, samples = led_run(tmp_path, server, target=1, profile=profile)
    events, calls = events_of(tmp_path / "run", samples), calls_of(tmp_path / "run", samples)
    check_tree(receiver, events, samples)
    chats = [span for span in receiver.spans if span.attributes["gen_ai.operation.name"] == "chat"]
    assert {chat.name for chat in chats} == {f"chat {server.model}"}
    assert {chat.attributes["server.port"] for chat in chats} == {server.port}
    assert {chat.attributes["gen_ai.provider.name"] for chat in chats} == {"vllm"}
    spent = [(chat.attributes["gen_ai.usage.input_tokens"], chat.attributes["ditto.purpose"]) for chat in chats]
    assert sorted(spent, key=str) == sorted(((call.prompt_tokens, call.purpose) for call in calls), key=str)
    assert all(chat.attributes["gen_ai.response.finish_reasons"] for chat in chats)
    assert {part["content"] for chat in chats for part in _parts(chat)} == {call.answer for call in calls}
    written = next(span for span in receiver.spans if span.name == "execute_tool write_instruction")
    assert json.loads(str(written.attributes["gen_ai.tool.call.arguments"]))["edit_type"]
    (sample,) = samples
    assert sample.instruction
    assert sample.instruction.text in str(written.attributes["gen_ai.tool.call.result"])
    assert all(of["gen_ai.evaluation.explanation"] for of in judged_by_model(receiver))
    with Receiver() as silent:
        config = TelemetryConfig(endpoint=silent.address)
        with sending_spans(config, "run", lambda sample_id: events[0], print) as hear:
            for event in events:
                hear(event, sample)
    assert [span.id for span in silent.spans] == [span.id for span in receiver.spans]
    said = json.dumps([dict(span.attributes) for span in silent.spans])
    secrets = {sample.instruction.text, *(call.answer for call in calls)}
    assert not [text for text in secrets if json.dumps(text)[1:-1] in said]
    assert not any("gen_ai.evaluation.explanation" in of for of in judged_by_model(silent))


def judged_by_model(receiver: Receiver) -> list[Mapping[str, Value]]:
    found = [of for span in receiver.spans for _, of in span.events if of["gen_ai.evaluation.name"] == "visual_quality"]
    assert found
    return found


def _parts(chat: Received) -> list[dict[str, str]]:
    messages = json.loads(str(chat.attributes["gen_ai.output.messages"]))
    return [part for message in messages for part in message["parts"]]


def test_a_resumed_sample_goes_on_in_its_trace_and_turning_it_on_is_no_other_run(tmp_path: Path) -> None:
    clips, run = make_clips(tmp_path / "clips"), tmp_path / "run"
    limits = Limits(target=1, concurrency=1)

    def stop_at(tool: str) -> Callable[[Session], None]:
        def prepare(session: Session) -> None:
            session.listeners.append(lambda event, _: campaign_of(session).stop() if event.tool == tool else None)

        return prepare

    with Receiver() as receiver:
        on = fake_profile(f"telemetry.endpoint={receiver.address}")
        run_fake(run, clips, 1, limits=limits, prepare=stop_at("describe_clip"))
        run_fake(run, clips, 1, profile=on, limits=limits, prepare=stop_at("edit_key_frame"))
        assert not receiver.roots()
        begun = {(span.trace, span.parent) for span in receiver.spans}
        _, samples = run_fake(run, clips, 1, profile=on, limits=limits)
    assert on.hash == fake_profile().hash
    (root,) = receiver.roots()
    assert begun == {(root.trace, root.id)}
    first, *_, last = events_of(run, samples)
    told = [span.attributes["ditto.event.seq"] for span in receiver.under(root)]
    assert (first.seq not in told, told[-1]) == (True, last.seq)  # what was before it was turned on is not told again
    assert root.began <= min(span.began for span in receiver.spans)


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Clips, and how long a run over them takes that sends nothing."""
    folder = tmp_path_factory.mktemp("plain")
    clips = make_clips(folder / "clips")
    began = time.monotonic()
    run_fake(folder / "run", clips, 2)
    return clips, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("way", ["nobody listens", "slow", "refuses"])
def test_a_collector_that_fails_costs_no_time_and_one_line(
    tmp_path: Path, way: str, plain_run: tuple[Path, float], capfd: pytest.CaptureFixture[str]
) -> None:
    lines, (clips, without) = list[str](), plain_run
    with Receiver(seconds=20 if way == "slow" else 0, status=403 if way == "refuses" else 200) as receiver:
        address = f"http://127.0.0.1:{_free_port()}" if way == "nobody listens" else receiver.address
        began = time.monotonic()
        profile = fake_profile(f"telemetry.endpoint={address}")
        outcome, _ = run_fake(tmp_path / "on", clips, 2, profile=profile, say=lines.append)
        seconds = time.monotonic() - began
    assert outcome == "target met"
    assert seconds < 3 * without + FLUSH_SECONDS + 3
    told = [line for line in lines if "telemetry" in line]
    assert len(told) == (0 if way == "slow" else 1), told  # within two seconds nothing is known to be lost
    assert all(address in line and "the run goes on" in line for line in told)
    assert capfd.readouterr().err == ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_many_spans_at_a_dead_collector_are_dropped_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    config = TelemetryConfig(endpoint=f"http://127.0.0.1:{_free_port()}")
    sample, event = step("described", "describe_clip", 1)
    began = time.monotonic()
    with sending_spans(config, "run", lambda sample_id: event, lines.append) as hear:
        for seq in range(1, 6001):
            hear(event.model_copy(update={"seq": seq}), sample)
        fed = time.monotonic() - began
    assert fed < 6.0  # a millisecond each, where a tenth is usual
    assert time.monotonic() - began < fed + FLUSH_SECONDS + 1
    assert len(lines) == 1
    assert capfd.readouterr().err == ""


def step(
    leads_to: Stage, tool: str, seq: int, talk: bool = False, by: str = "policy", **result: object
) -> tuple[Sample, Event]:
    event = {"sample_id": "talk-1", "seq": seq, "at": f"2026-01-01T00:00:{seq:02d}.000+00:00", "stage": "described"}
    event |= {"next_stage": leads_to, "tool": tool, "arguments": {"words": "quiet"}, "result": result, "by": by}
    sample = Sample(id="talk-1", seed=1, conversation=talk, stage=leads_to, attempts={tool: 1})
    return sample, Event.model_validate(event | {"seconds": 0.5, "attempt": 1})


def test_a_conversation_is_a_trace_with_the_persons_moves_and_the_verdict_of_each_proposal() -> None:
    score = {"value": None, "threshold": 0.5, "passed": None, "reason": "no face"}
    verdict = {"decision": "unscored", "reasons": ["identity"], "rule": "unscored", "scores": {"identity": score}}
    steps = [
        step("awaiting_person", "describe_clip", 1, talk=True),
        step("described", "say", 2, talk=True, by="person"),
        step("awaiting_person", "preview_edits", 3, talk=True, proposals=[{"number": 4, "verdict": verdict}]),
        step("done", "close", 4, talk=True, by="person", decision="private"),
    ]
    with Receiver() as receiver:
        config = TelemetryConfig(endpoint=receiver.address)
        with sending_spans(config, "run", lambda sample_id: steps[0][1], print) as hear:
            for sample, event in steps:
                hear(event, sample.model_copy(update={"decision": event.result.get("decision")}))
    (root,) = receiver.roots()
    assert root.attributes["gen_ai.conversation.id"] == "talk-1"
    assert root.attributes["ditto.decision"] == "private"
    under = receiver.under(root)
    assert [span.name for span in under] == [
        "execute_tool describe_clip",
        "person say",
        "execute_tool preview_edits",
        "person close",
    ]
    ((name, of),) = under[2].events
    assert name == "gen_ai.evaluation.result"
    assert (of["gen_ai.evaluation.score.label"], of["ditto.evaluation.of"]) == ("unscored", "proposal 4")
    assert "gen_ai.evaluation.score.value" not in of
    assert root.ended - root.began == 3.5e9


def test_a_conversation_that_is_held_is_one_trace_to_its_end(tmp_path: Path) -> None:
    async def talk(it: Talk) -> None:
        await it.say(**BEGIN, words="snow all over")
        await it.say(call="say", words="broken")
        await it.say(call="approve", number=1)
        await it.say(call="keep")

    run = tmp_path / "run"
    with Receiver() as receiver, talk_session(run, make_clips(tmp_path / "clips")) as session:
        config = TelemetryConfig(endpoint=receiver.address)
        with sending_spans(config, "run", lambda sample_id: session.stores.ledger.events(sample_id)[0], print) as hear:
            session.listeners.append(hear)
            sample = talking(session, talk).sample
    (root,) = check_tree(receiver, events_of(run, [sample]), [sample])
    assert {span.attributes["gen_ai.conversation.id"] for span in receiver.spans} == {sample.id}
    assert [span.name for span in receiver.under(root) if span.failed] == ["execute_tool propose_edits"]
    assert root.attributes["ditto.decision"] == "accepted"
    assert [of["ditto.evaluation.of"] for span in receiver.under(root) for _, of in span.events][:2] == [
        "proposal 1",
        "proposal 2",
    ]


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("collector:4318", "is no address; expected one like http://127.0.0.1:4318"),
        ("http://", "is no address"),
        ("http://host:port", "is no address"),
        ("https://me:secret@host", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(endpoint: str, told: str) -> None:
    with pytest.raises(ProfileError, match=told) as refused:
        load_profile("embedded", [f"telemetry.endpoint={endpoint}"])
    assert "secret" not in str(refused.value)
