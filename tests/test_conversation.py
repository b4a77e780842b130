"""Conversations on fakes: a sample that waits for a person and goes on from their word."""

import asyncio
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.session import Session
from agent.state import SampleState, fold
from memory.ledger import Ledger
from memory.sample import Event, Sample
from tests.fake_run import make_clips, run_fake


def events_of(run: Path, sample_id: str) -> list[Event]:
    ledger = Ledger(run / "ledger.sqlite")
    events = ledger.events(sample_id)
    ledger.close()
    return events


def test_a_conversation_waits_for_a_person_at_its_key_frame_and_takes_their_words(tmp_path: Path) -> None:
    def run_to_the_end(session: Session, sample: Sample, events: tuple[Event, ...] = ()) -> Sample:
        state = SampleState(sample=sample, number=1, history=events)
        ended: Sample = asyncio.run(session.graph.ainvoke(state))["sample"]
        return ended

    def talk(session: Session) -> None:
        asyncio.run(session.take_in())
        sample = run_to_the_end(session, Sample(id="talk", seed=1, conversation=True))
        assert sample.stage == "awaiting_person"
        first = sample.instruction
        sample = asyncio.run(session.steps.hear(sample, 1, "something quite different"))
        sample = run_to_the_end(session, sample, tuple(session.stores.ledger.events("talk")))
        assert sample.stage == "awaiting_person"
        assert sample.instruction != first
        sample = asyncio.run(session.steps.hear(sample, 1, ""))
        sample = run_to_the_end(session, sample)
        assert sample.decision == "accepted"
        with pytest.raises(ValueError, match="does not wait for a person"):
            asyncio.run(session.steps.hear(sample, 1, ""))

    run_fake(
        tmp_path / "run",
        make_clips(tmp_path / "clips"),
        target=1,
        prepare=talk,
        limits=Limits(target=1, max_candidates=1),
    )
    events = events_of(tmp_path / "run", "talk")
    assert [(event.tool, event.arguments) for event in events if event.by == "person"] == [
        ("say", {"words": "something quite different"}),
        ("approve", {}),
    ]
    assert fold(Sample(id="talk", seed=1, conversation=True), events).decision == "accepted"
