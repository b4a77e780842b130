"""Conversations through orders, on fakes: the agent answers, a person leads, the ledger keeps it all."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.conversation.host import CANCELLED
from agent.session import Session
from agent.state import fold
from memory.dataset import read_metadata
from memory.sample import Event, Sample
from tests.fake_run import make_clips, run_fake
from tests.fake_talk import BEGIN, Talk, talk_session, talkative, talking


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("talk")
    with talk_session(folder / "run", make_clips(folder / "clips")) as session:
        yield session


def followed(session: Session) -> tuple[list[object], list[str], int]:
    """What follows the ledger: the dataset's pairs, what the memory holds of weather, how often it was asked for."""
    held = asyncio.run(session.stores.memory.nearest("weather", "snow", 9))
    ids: list[object] = [line["id"] for line in read_metadata(session.run / "dataset")]
    return ids, [near.text for near in held], session.stores.ledger.asked().get("weather", 0)


def test_a_wish_becomes_a_pair_that_joins_dataset_and_memory_only_with_consent(session: Session) -> None:
    ids, held, asked = followed(session)

    async def talk(it: Talk) -> None:
        assert await it.say(**BEGIN) == "done"
        assert (it.sample.stage, it.sample.talk) == ("awaiting_person", [])
        assert await it.say(call="say", words="snow") == "done"
        assert [offered.number for offered in it.sample.proposals] == [1, 2]
        assert await it.say(call="say", words="what?") == "done"
        assert it.sample.talk[-1].words == "what do you mean?"
        assert await it.say(call="choose", number=2) == "done"
        assert await it.say(call="approve") == "done"
        assert (it.sample.stage, it.sample.approved) == ("awaiting_person", 2)
        assert it.sample.verdict is not None
        assert session.stores.ledger.asked().get("weather", 0) == asked
        assert await it.say(call="keep") == "done"

    it = talking(session, talk)
    assert it.tools == [
        *("begin", "sample_clip", "describe_clip", "say", "propose_edits", "preview_edits", "say", "propose_edits"),
        *("choose", "approve", "generate_video", "critique_video", "keep", "accept"),
    ]
    assert (it.sample.decision, it.sample.consent) == ("accepted", True)
    new = Sample(id=it.id, seed=it.sample.seed, conversation=True)
    assert fold(new, it.ledger.events(it.id)) == it.sample
    now = followed(session)
    assert (now[0], set(now[1]), now[2]) == ([*ids, it.id], {*held, "snow 1"}, asked + 1)


def test_without_consent_nothing_joins_and_nothing_is_given_up(session: Session) -> None:
    before = followed(session)

    async def talk(it: Talk) -> None:
        await it.say(**BEGIN, words="snow all over")
        await it.say(call="approve", number=1)
        await it.say(call="close")

    it = talking(session, talk)
    assert (it.sample.decision, it.sample.artifacts) == ("private", "kept")
    assert followed(session) == before
    assert it.ledger.candidates() == 0
    assert [use.uses for use in it.ledger.sources.uses()] == [0, 0], "a campaign may still draw the clip as often"


def test_what_makes_no_sense_is_refused_and_changes_nothing(session: Session) -> None:
    async def talk(it: Talk) -> None:
        nobody = Talk(session)
        unknown = nobody.id
        number = nobody.order(call="say", words="x")
        far = nobody.order(call="begin", given={"clip_number": 99})
        nobody.id = "../x"
        torn = nobody.order(call="begin", given={"clip_number": 1})
        await it.say(**BEGIN)
        assert it.ledger.command(number) == f"refused: there is no conversation {unknown!r} in this run"
        assert it.ledger.command(far) == "refused: this run has no clip number 99; choose one of its clips"
        assert (it.ledger.command(torn) or "").startswith("refused: sample")
        first, second = it.order(call="say", words="slow"), it.order(call="say", words="slow")
        await it.host.take_orders()
        assert it.ledger.command(first) == "done"
        assert it.ledger.command(second) == "refused: the agent is at work; wait for it, or cancel"
        await it.say(call="cancel")

    assert talking(session, talk).tools == ["begin", "sample_clip", "describe_clip", "say", "cancel"]


def test_what_the_agent_cannot_do_is_told_and_the_talk_goes_on(session: Session) -> None:
    async def talk(it: Talk) -> None:
        await it.say(**BEGIN, words="broken")
        assert it.sample.stage == "awaiting_person"
        assert it.ledger.events(it.id)[-1].error == "this wish breaks the agent"
        await it.say(call="say", words="snow")
        assert len(it.sample.proposals) == 2

    talking(session, talk)


def test_a_step_is_cancelled_and_the_person_goes_on_at_once(session: Session) -> None:
    async def talk(it: Talk) -> None:
        await it.say(**BEGIN)
        await it.leave(call="say", words="slow snow")
        await asyncio.sleep(0.2)
        assert len(it.host.tasks) == 1
        assert await it.say(call="cancel") == CANCELLED
        assert (it.sample.stage, it.sample.proposals) == ("awaiting_person", [])
        await it.say(call="say", words="rain")
        assert len(it.sample.proposals) == 2

    assert talking(session, talk).tools[-5:] == ["say", "cancel", "say", "propose_edits", "preview_edits"]


def test_an_event_on_its_way_to_the_ledger_is_neither_lost_nor_doubled_by_a_cancel(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every moment of the append."""
    append = session.stores.ledger.append

    async def talk(it: Talk) -> None:
        await it.say(**BEGIN)
        for place, wait in enumerate((0.0, 0.02, 0.05, 0.08)):

            async def slowly(event: object, sample: object, number: int, wait: float = wait) -> object:
                await asyncio.sleep(0.05)
                return await append(event, sample, number)  # type: ignore[arg-type]

            await it.leave(call="say", words=f"snow {place}")
            monkeypatch.setattr(session.stores.ledger, "append", slowly)
            await asyncio.sleep(wait)
            number = it.order(call="cancel")
            await it.host.take_orders()
            while it.host.tasks:
                await asyncio.wait(it.host.tasks)
                it.host.collect()
            monkeypatch.undo()
            assert it.ledger.command(number) in (CANCELLED, "done", "refused: nothing is under way")
            events = it.ledger.events(it.id)
            assert fold(Sample(id=it.id, seed=it.sample.seed, conversation=True), events) == it.sample
            assert it.sample.stage == "awaiting_person"
            tools = [event.tool for event in events]
            last = tools[len(tools) - tools[::-1].index("say") :]
            assert len(set(last)) == len(last), f"something was done twice: {last}"

    talking(session, talk)


def test_an_order_is_carried_out_once_though_the_owner_was_killed_before_it_said_so(session: Session) -> None:
    async def talk(it: Talk) -> None:
        await it.say(**BEGIN)
        number = it.order(call="say", words="snow")
        finish = it.ledger.finish_command
        it.ledger.finish_command = lambda number, outcome: None  # type: ignore[method-assign]
        await it.host.take_orders()
        while it.host.tasks:
            await asyncio.wait(it.host.tasks)
            it.host.collect()
        it.ledger.finish_command = finish  # type: ignore[method-assign]
        assert it.ledger.command(number) is None
        await it.host.take_orders()
        assert it.ledger.command(number) == "done"
        assert not it.host.tasks

    assert talking(session, talk).tools.count("say") == 1


def test_a_conversation_left_at_work_goes_on_when_the_run_is_opened(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips")

    async def leave(it: Talk) -> None:
        await it.say(**BEGIN)
        await it.leave(call="say", words="snow")
        it.host.drop()

    async def resume(it: Talk) -> None:
        it.host.resume()
        while it.host.tasks:
            await asyncio.wait(it.host.tasks)
            it.host.collect()

    with talk_session(tmp_path / "run", clips) as session:
        left = talking(session, leave)
        assert left.sample.stage == "described"
    with talk_session(tmp_path / "run", clips) as session:
        talking(session, resume)
        row = session.stores.ledger.row(left.id)
        assert row is not None
        assert (row.sample.stage, len(row.sample.proposals)) == ("awaiting_person", 2)


def test_a_step_that_ends_the_process_again_and_again_is_given_up(session: Session) -> None:
    async def talk(it: Talk) -> None:
        await it.say(**BEGIN)
        await it.leave(call="say", words="slow snow")
        for _ in range(3):  # as a kill would
            it.host.drop()
            await asyncio.wait(it.host.tasks)
            it.host.collect()
            it.host.resume()
            await asyncio.sleep(0.1)
        await asyncio.wait(it.host.tasks)
        assert it.sample.stage == "awaiting_person"
        assert "ended 3 times" in (it.ledger.events(it.id)[-1].error or "")
        await it.say(call="say", words="rain")
        assert len(it.sample.proposals) == 2

    assert talking(session, talk).tools[3:7] == ["say", "resume", "resume", "plan"]


def test_a_campaign_and_a_conversation_go_on_in_one_run_at_once(tmp_path: Path) -> None:
    talks: list[Talk] = []

    def begin(session: Session) -> None:
        async def order() -> None:
            talks.append(Talk(session))
            talks[0].order(call="begin", given={"clip_number": 1}, words="snow")

        asyncio.run(session.take_in())
        asyncio.run(order())
        talkative(session).listeners.append(answer)

    def answer(event: Event, sample: Sample) -> None:
        if event.tool == "preview_edits":
            talks[0].order(call="approve", number=1)
        if event.tool == "critique_video" and sample.conversation:
            talks[0].order(call="keep")

    run = tmp_path / "run"
    outcome, decided = run_fake(run, make_clips(tmp_path / "clips", count=3), target=8, prepare=begin)
    assert outcome == "target met"
    with talk_session(run, tmp_path / "clips") as session:
        rows = list(session.stores.ledger.rows())
        assert len({row.number for row in rows}) == len(rows)
        [talk] = [row.sample for row in rows if row.sample.conversation]
        assert talk.decision == "accepted"
        assert session.stores.ledger.candidates() == len(rows) - 1 == 7, "its pair counts for the target"
        assert talk in decided
        assert {line["id"] for line in read_metadata(run / "dataset")} == {row.sample.id for row in rows}
