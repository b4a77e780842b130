"""Conversations on fakes: the agent's side of a talk, a host to drive, and a process that owns a run.

python -m tests.fake_talk RUN [--idle SECONDS] [--starter PID]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import JsonValue

from agent.conversation.host import ConversationHost
from agent.conversation.moves import Move
from agent.conversation.orders import new_id, send
from agent.run_config import RunConfig
from agent.session import Session, open_session
from agent.settling import Settling
from ditto_models.executors.in_process import InProcessExecutor
from memory.sample import AxisVerdict, Instruction, KeyFrame, Proposal, Sample, Verdict
from memory.talk import Given, Said
from tests.fake_run import Silent, fake_models, fake_profile
from tools.media import Media
from tools.result import ToolError, ToolResult

PASSED = Verdict(
    decision="accepted",
    reasons=[],
    rule="all_passed",
    scores={"safety": AxisVerdict(value=0.9, threshold=0.4, passed=True, reason="")},
)
THREADS = InProcessExecutor(2)


def fake_talk_tools(media: Media) -> dict[str, BaseTool]:
    """A wish with "?" is asked about, one with "slow" takes a while, "broken" fails; others get two proposals."""

    def look(wish: str) -> None:
        time.sleep(1.5 if "slow" in wish else 0)
        if "broken" in wish:
            raise ToolError("this wish breaks the agent")

    @tool
    async def propose_edits(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Answer."""
        await THREADS.run(look, sample.wish)
        if "?" in sample.wish:
            words, offered = "what do you mean?", sample.proposals
        else:
            words, first = "I can do this", 1 + max((each.number for each in sample.proposals), default=0)
            offered = [_offer(first + place, f"{sample.wish} {place}") for place in range(2)]
        return ToolResult(changes={"talk": [*sample.talk, Said(by="agent", words=words)], "proposals": offered})

    @tool
    async def preview_edits(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Show."""

        def made(each: Proposal) -> Proposal:
            assert sample.clip is not None
            index = sample.key_frame_index or 0
            picture = media.put_image(media.frames(sample.clip.video)[index])
            key_frame = KeyFrame(index=index, source=picture, candidates=[picture], strengths=[0.8], chosen=picture)
            return each.model_copy(update={"key_frame": key_frame, "verdict": PASSED})

        return ToolResult(changes={"proposals": [made(each) for each in sample.proposals]})

    return {"propose_edits": propose_edits, "preview_edits": preview_edits}


def _offer(number: int, text: str) -> Proposal:
    kind = {"edit_type": "weather", "scope": "global"}
    return Proposal(number=number, instruction=Instruction.model_validate({"text": text, **kind}), strength=0.8)


def talkative(session: Session) -> Session:
    """The session with the fakes of the agent's side."""
    cast("dict[str, BaseTool]", session.steps.tools).update(fake_talk_tools(session.stores.media))
    return session


@contextmanager
def talk_session(run: Path, clips: Path) -> Iterator[Session]:
    """An open run with two clips looked at."""
    profile = fake_profile()
    config = RunConfig(profile_name="embedded", seed=0, clips=str(clips), profile=profile)
    with open_session(run, config, fake_models(profile), 2, lambda line: None) as session:
        asyncio.run(session.take_in())
        yield talkative(session)


class Talk:
    """A conversation with a host in one event loop."""

    def __init__(self, session: Session) -> None:
        self.ledger = session.stores.ledger
        self.host = ConversationHost(session, Settling(session), Silent())
        self.id = new_id()

    async def say(self, **move: object) -> str:
        """A move, and all that comes of it; returns the order's outcome."""
        number = await self.leave(**move)
        while self.host.tasks:
            await asyncio.wait(self.host.tasks)
            self.host.collect()
        return self.ledger.command(number) or ""

    async def leave(self, **move: object) -> int:
        """A move that is taken up but not waited for; returns the order's number."""
        number = send(self.ledger, self.id, Move.model_validate(move))
        await self.host.take_orders()
        return number

    def order(self, **move: JsonValue) -> int:
        """A move left unseen, as another process would; returns the order's number."""
        return self.ledger.add_command({"kind": "talk", "sample": self.id, "move": move})

    @property
    def sample(self) -> Sample:
        """As the ledger has it."""
        row = self.ledger.row(self.id)
        assert row is not None
        return row.sample

    @property
    def tools(self) -> list[str]:
        """What happened."""
        return [event.tool for event in self.ledger.events(self.id)]


def talking(session: Session, talk: Callable[[Talk], Awaitable[None]]) -> Talk:
    """Hold a conversation."""

    async def held() -> Talk:
        made = Talk(session)
        await talk(made)
        return made

    return asyncio.run(held())


BEGIN = {"call": "begin", "given": Given(clip_number=1)}


if __name__ == "__main__":
    from agent.conversation.__main__ import parser
    from agent.conversation.worker import serve
    from agent.conversation.worker_log import worker_log

    options = parser().parse_args()
    with worker_log(options.run) as log:
        sys.exit(serve(options, log, fake_models, talkative) if log else 0)
