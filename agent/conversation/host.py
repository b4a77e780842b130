"""Conversations in the run's owner: takes people's moves from the ledger and runs the graph for each conversation.

A task for each conversation in which the agent is at work. Like a campaign it keeps nothing that the ledger does not:
killed at any moment, the next owner goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.conversation.given import check_given
from agent.conversation.moves import MoveError, moved
from agent.conversation.orders import KIND, TalkOrder, new_conversation
from agent.graph import PARKED
from agent.nodes import Parked
from ditto_models.settings import first_problem
from memory.sample import Event, Sample

if TYPE_CHECKING:
    from agent.campaign import Reporter
    from agent.session import Session
    from agent.settling import Settling

GLANCE_SECONDS = 0.5
"""Between looks at whether a conversation that is to be parked waits for a server."""
NEED_NO_ROOM = ("choose", "close", "cancel")
CANCELLED = "done; what a model was computing at that moment runs to its end and is not used"
_AT_WORK = "decision IS NULL AND stage != 'awaiting_person' AND json_extract(payload, '$.conversation')"


class ConversationHost:
    """The conversations of an open run. Everything happens in the owner's event loop."""

    def __init__(self, session: Session, settling: Settling, reporter: Reporter) -> None:
        self._session = session
        self._settling = settling
        self._reporter = reporter
        self._tasks: dict[str, asyncio.Task[None]] = {}
        session.listeners.append(self._stepped)

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Conversations in which the agent is at work."""
        return set(self._tasks.values())

    def resume(self) -> None:
        """Go on with conversations in which the agent was at work when the run was left."""
        for row in self._session.stores.ledger.rows(_AT_WORK):
            if row.sample.id not in self._tasks:
                self._tasks[row.sample.id] = asyncio.create_task(self._resumed(row.sample, row.number))

    async def take_orders(self) -> int:
        """Carry out what people asked for meanwhile, in the order in which they did; returns how many moves that was.

        Raises:
            LedgerError: the disk failed.
        """
        ledger, taken = self._session.stores.ledger, 0
        for number, payload in ledger.open_commands():
            if payload.get("kind") != KIND or self._session.parking:
                continue
            try:
                outcome = await self._carry_out(number, TalkOrder.model_validate(payload))
            except MoveError as error:
                outcome = f"refused: {error}"
            except ValidationError as error:
                outcome = f"refused: {first_problem(error)}"
            ledger.finish_command(number, outcome)
            taken += 1
        return taken

    def collect(self) -> None:
        """Let go of tasks that are done.

        Raises:
            LedgerError, OSError, RunError: the run broke in one of them.
        """
        done = {sample_id: task for sample_id, task in self._tasks.items() if task.done()}
        for sample_id in done:
            del self._tasks[sample_id]
        for task in done.values():
            if not task.cancelled() and (error := task.exception()):
                raise error

    async def park(self) -> None:
        """Wait until each conversation has ended its step; the session must be parking, or they go on talking.

        Raises:
            LedgerError, OSError, RunError: the run broke in one of them.
        """
        while any(not task.done() for task in self.tasks):
            self._session.end_waiting()
            await asyncio.wait(self.tasks, timeout=GLANCE_SECONDS)
        self.collect()

    def drop(self) -> None:
        """Cancel what is under way; it is done again when the run is next owned."""
        for task in self._tasks.values():
            task.cancel()

    async def _carry_out(self, number: int, order: TalkOrder) -> str:
        ledger, move = self._session.stores.ledger, order.move
        if self._is_made(number, order.sample):  # the owner was killed before it could say so
            return "done"
        row = ledger.row(order.sample)
        if row is None and move.call != "begin":
            raise MoveError(f"there is no conversation {order.sample!r} in this run")
        if move.given:
            check_given(self._session.run, ledger, move.given)
        if move.call not in NEED_NO_ROOM and self._session.room.is_short():
            raise MoveError("the disk is nearly full (disk.min_free_gb is to stay free); make room, and say it again")
        sample = row.sample if row else new_conversation(order.sample)
        place = row.number if row else next(self._session.numbers)
        moved(sample, move)
        stopped = move.call == "cancel" and await self._stop(order.sample)
        if stopped and (now := ledger.row(order.sample)):
            sample = now.sample
            await self._settling.settle(sample)  # an event on its way may have ended it
        sample = await self._session.steps.hear(sample, place, move, number)
        if sample.stage not in PARKED:
            self._go_on(sample, place)
        else:
            await self._settling.settle(sample)
        return CANCELLED if stopped else "done"

    def _is_made(self, number: int, sample_id: str) -> bool:
        events = self._session.stores.ledger.events(sample_id)
        return any(event.by == "person" and event.arguments.get("order") == number for event in events)

    async def _stop(self, sample_id: str) -> bool:
        """End the task of a conversation; an event that is on its way to the ledger gets there first."""
        task = self._tasks.get(sample_id)
        if task is None or task.done():
            return False
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    def _go_on(self, sample: Sample, number: int) -> None:
        earlier = self._tasks.get(sample.id)
        self._tasks[sample.id] = asyncio.create_task(self._talk(sample, number, earlier))

    async def _resumed(self, sample: Sample, number: int) -> None:
        sample = await self._session.steps.resume(sample, number)
        if sample.stage not in PARKED:
            await self._talk(sample, number, None)
        else:
            await self._settling.settle(sample)

    async def _talk(self, sample: Sample, number: int, earlier: asyncio.Task[None] | None) -> None:
        if earlier:  # its event is in the ledger, so the person could answer, but it may not have ended yet
            await asyncio.wait([earlier])
            if not earlier.cancelled():
                earlier.result()
        self._reporter.began(sample)
        try:
            with self._settling.under_way(sample.id):
                sample = await self._settling.to_its_end(sample, number)
                await self._settling.settle(sample)
        except Parked as parked:
            sample = parked.sample
        finally:
            self._reporter.ended(sample)

    def _stepped(self, event: Event, sample: Sample) -> None:
        if sample.conversation and event.by != "person":
            self._reporter.stepped(sample, f"{event.tool}: {event.error or event.note}")
