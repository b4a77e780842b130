"""One sample through the graph to where it ends, and what follows the ledger brought up to its decision.

Samples of a campaign and conversations go the same way, and share one turn at the dataset.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from langchain_core.runnables import RunnableConfig

from agent.nodes import Parked, is_of_sample
from agent.orders import carry_out
from agent.policy import max_steps
from ditto_models.waits import own_waits
from memory.dataset import Pair
from memory.sample import Sample

if TYPE_CHECKING:
    from agent.session import Session


class Settling:
    """Brings samples of an open run to their ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dataset_turn = asyncio.Lock()
        self._begun: dict[str, float] = {}
        self.accepted = session.stores.ledger.counts().get("accepted", 0)
        """Accepted pairs of the run."""

    @contextmanager
    def under_way(self, sample_id: str) -> Iterator[None]:
        """While the block lasts, what is put among the artifacts stays, and calls wait in this task's name."""
        self._begun[sample_id] = time.monotonic()
        own_waits()
        try:
            yield
        finally:
            del self._begun[sample_id]

    async def to_its_end(self, sample: Sample, number: int) -> Sample:
        """Run the graph until the sample is decided or waits for a person.

        Raises:
            Parked: it was to stop before its next step.
            NoClipLeft: it was to draw a clip, and there is none.
            LedgerError, OSError, RunError: the run broke, not this sample.
        """
        session, ledger = self._session, self._session.stores.ledger
        history = tuple(ledger.events(sample.id))
        config = RunnableConfig(recursion_limit=2 * max_steps(session.profile.policy) + 2)
        try:
            state = await session.graph.ainvoke({"sample": sample, "number": number, "history": history}, config)
        except Parked:
            raise
        except Exception as error:
            if not is_of_sample(error):
                raise
            row = ledger.row(sample.id)
            return await session.steps.fail(row.sample if row else sample, number, error)
        ended: Sample = state["sample"]
        return ended

    async def settle(self, sample: Sample) -> None:
        """Bring what follows the ledger up to a sample's decision, if it has one."""
        session = self._session
        if sample.decision == "accepted":
            self.accepted += 1
            session.repairs.note(sample)
            async with self._dataset_turn:
                await asyncio.to_thread(self._add, sample)
        elif sample.decision is not None:
            await session.stores.memory.release(sample.id)
            async with self._dataset_turn:  # a person's order must not come in between
                await session.retention.give_up(sample.id)

    async def take_overrides(self) -> None:
        """What people moved into the dataset or out of it; it must be nobody else's while it is rewritten."""
        if self._session.stores.ledger.open_commands():
            async with self._dataset_turn:
                self.accepted += await asyncio.to_thread(carry_out, self._session.stores, self._session.config)

    async def clear_away(self) -> None:
        """What retention gives up, once no sample under way can be about to name it."""
        quiet_since = min(self._begun.values(), default=float("inf"))
        await asyncio.to_thread(self._session.retention.remove, quiet_since)

    def _add(self, sample: Sample) -> None:
        """To the dataset; and a conversation's words to the memory, which had no reservation before its consent."""
        stores = self._session.stores
        row = stores.ledger.row(sample.id)
        if row and row.ordinal and row.sample.decision == "accepted":  # unless a person was quicker to reject it
            if row.sample.conversation:
                stores.memory.hold(row.sample.id, row.sample.instruction)
            stores.dataset.add(Pair(ordinal=row.ordinal, sample=row.sample))
