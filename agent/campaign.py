"""Many samples at once until the target is met, resumable after any end.

One task a sample, so many at a time; no more are begun than accepted pairs are still wanted, so only a person's own
acceptance can pass the target. Nothing here is kept but in the ledger: a campaign that is killed and one that is
stopped resume alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agent.conversation.host import ConversationHost
from agent.nodes import Parked
from agent.session import Session
from agent.settling import Settling
from agent.state import fold
from memory.sample import Event, Sample
from tools.result import NoClipLeft

Outcome = Literal[
    "target met",
    "clips used up",
    "candidates used up",
    "GPU hours used up",
    "time used up",
    "stopped",
    "disk nearly full",
]

ENDS_WAITING: tuple[Outcome, ...] = ("stopped", "time used up", "disk nearly full")
"""What ends waiting for a server too; at any other limit, samples under way wait until one is back."""
GIVES_TRAINING_TIME: tuple[Outcome, ...] = ("target met", "clips used up", "candidates used up")
"""What ends with a last training, where the profile wants one, unless what it needs is used up: then, and at any other
limit, a job is asked to save and stop."""
GLANCE_SECONDS = 1.0
"""Between looks at limits and orders while no sample ends."""
LOOK_AHEAD = 8
"""Clips that nobody has used yet, below which more files are looked at."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What ends a campaign. They may differ each time a run is resumed."""

    target: int
    """Accepted pairs in the run, those of earlier sessions included."""
    concurrency: int = 2
    max_candidates: int | None = None
    """Samples begun in the run, whatever became of them."""
    gpu_hours: float | None = None
    wall_hours: float | None = None
    """Of this session."""


class Reporter(Protocol):
    """Shows a campaign to a person."""

    def began(self, sample: Sample) -> None:
        """A sample was begun or resumed."""
        ...

    def stepped(self, sample: Sample, note: str) -> None:
        """A sample went one step on."""
        ...

    def ended(self, sample: Sample) -> None:
        """A sample came to its decision, or was parked."""
        ...


class Campaign:
    """Runs samples of one run until a limit is reached."""

    def __init__(self, session: Session, limits: Limits, reporter: Reporter) -> None:
        self._session = session
        self._limits = limits
        self._reporter = reporter
        self._begun_at = time.monotonic()
        self._stopping = self._dropping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling = Settling(session)
        self._conversations = ConversationHost(session, self._settling, reporter)
        self._candidates = session.stores.ledger.candidates()
        self._gpu_seconds = session.stores.ledger.gpu_seconds()
        self._taking_in: asyncio.Task[None] | None = None
        rows = session.stores.ledger.rows("decision IS NULL AND stage != 'awaiting_person'")
        self._waiting = [(row.sample, row.number) for row in rows if not row.sample.conversation]
        session.listeners.append(self._stepped)

    async def run(self) -> Outcome:
        """Run to the end; returns what ended it.

        Raises:
            LedgerError, OSError: the disk failed; everything the ledger has can be resumed.
        """
        with self._session.tenure.kept(self._limits) as tenure:
            tenure.outcome = outcome = await self._run()
        return outcome

    async def _run(self) -> Outcome:
        training = self._session.training
        training.take_orders()  # left before this session: or it might end before it has seen them
        watching = asyncio.create_task(training.watch(self._drained))
        self._conversations.resume()
        try:
            while True:
                outcome = self._begin_samples()
                self._look_ahead(outcome)
                running = self._tasks | ({self._taking_in} if self._taking_in else set())
                if self._tasks:
                    training.goes_on()
                ends = outcome in ENDS_WAITING or not self._session.tenure.is_paused
                if not self._tasks and ends and (outcome or not (running or training.holds)):
                    ended = outcome or "clips used up"
                    if training.is_over(ended if ended not in GIVES_TRAINING_TIME else self._used_up() or ""):
                        self._session.parking = True
                        await self._conversations.park()
                        return ended
                if outcome in ENDS_WAITING:
                    self._session.end_waiting()
                awaited = running | self._conversations.tasks | {watching}
                done, _ = await asyncio.wait(awaited, timeout=GLANCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await self._collect(done)
                await self._take_orders()
                if not self._dropping:  # an event of a dropped task may still be on its way to the ledger
                    await self._settling.clear_away()
        finally:
            watching.cancel()
            if self._taking_in:
                self._taking_in.cancel()

    def stop(self) -> None:
        """Let running steps end and begin nothing more; asked a second time, drop them."""
        if self._stopping:
            self._dropping = True
            self._conversations.drop()
            for task in self._tasks:
                task.cancel()
        self._stopping = self._session.parking = True
        self._session.training.stop()
        if self._taking_in:
            self._taking_in.cancel()

    async def _take_orders(self) -> None:
        """What people asked for meanwhile."""
        tenure = self._session.tenure
        if self._stopping:
            tenure.stopping()
        if self._session.stores.ledger.open_commands():
            await self._settling.take_overrides()
            await self._conversations.take_orders()
            tenure.take_orders()
            self._session.training.is_paused = tenure.is_paused
            self._session.training.take_orders()

    async def _collect(self, done: set[asyncio.Task[Any]]) -> None:
        self._tasks -= done
        try:
            self._conversations.collect()
            for task in done:
                if not task.cancelled():
                    task.result()
        except Exception:
            await self._drop_all()
            raise
        if self._taking_in in done:
            self._taking_in = None

    def _look_ahead(self, outcome: Outcome | None) -> None:
        """Look at more files where clips run low."""
        if self._session.tenure.is_paused:
            return
        clips, wanted = self._session.clips, self._limits.target - self._settling.accepted - len(self._tasks)
        low = clips.fresh < min(LOOK_AHEAD, wanted)
        if low and outcome is None and not clips.complete and self._taking_in is None:
            self._taking_in = asyncio.create_task(self._session.take_in())

    async def _drained(self) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _drop_all(self) -> None:
        tasks = self._tasks | self._conversations.tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _limit_reached(self) -> Outcome | None:
        limits = self._limits
        if self._settling.accepted >= limits.target:
            return "target met"
        if self._stopping:
            return "stopped"
        if used_up := self._used_up():
            return used_up
        if not self._waiting and limits.max_candidates is not None and self._candidates >= limits.max_candidates:
            return "candidates used up"
        return None

    def _used_up(self) -> Outcome | None:
        """What samples and trainings share and there is no more of."""
        limits, hours = self._limits, (time.monotonic() - self._begun_at) / 3600
        if self._session.room.is_short():
            return "disk nearly full"
        if limits.gpu_hours is not None and self._gpu_hours() >= limits.gpu_hours:
            return "GPU hours used up"
        return "time used up" if limits.wall_hours is not None and hours >= limits.wall_hours else None

    def _gpu_hours(self) -> float:
        return (self._gpu_seconds + self._session.training.gpu_seconds) / 3600

    def _room(self) -> bool:
        wanted = self._limits.target - self._settling.accepted
        held = self._session.training.holds or self._session.tenure.is_paused
        return not held and len(self._tasks) < min(self._limits.concurrency, wanted)

    def _begin_samples(self) -> Outcome | None:
        """Begin as many as there is room for; returns the limit that was reached, if any."""
        outcome = self._limit_reached()
        while outcome is None and self._room() and (job := self._next_sample()):
            self._tasks.add(asyncio.create_task(self._one(*job)))
            outcome = self._limit_reached()
        return outcome

    def _next_sample(self) -> tuple[Sample, int] | None:
        """A sample to run: one that is under way, then a new one where there is a clip."""
        if self._waiting:
            sample, number = self._waiting.pop(0)
            new = Sample(id=sample.id, seed=sample.seed)
            return fold(new, self._session.stores.ledger.events(new.id)), number
        if not self._session.clips.claim():
            return None
        self._candidates += 1
        number = next(self._session.numbers)
        return new_sample(self._session.config.seed, number), number

    async def _one(self, sample: Sample, number: int) -> None:
        self._reporter.began(sample)
        with self._settling.under_way(sample.id):
            try:
                sample = await self._settling.to_its_end(sample, number)
            except NoClipLeft:  # what was left turned out to be unreadable
                self._candidates -= 1
            except Parked as parked:
                sample = parked.sample
                self._waiting.append((sample, number))
            else:
                await self._settling.settle(sample)
        self._reporter.ended(sample)

    def _stepped(self, event: Event, sample: Sample) -> None:
        self._gpu_seconds += event.gpu_seconds
        if not sample.conversation:
            self._reporter.stepped(sample, f"{event.tool}: {event.error or event.note}")


def new_sample(seed: int, number: int) -> Sample:
    """The sample of this number: its id and its own seed follow from the run's seed."""
    digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
    return Sample(id=f"{number:06d}-{digest.hex()[:8]}", seed=int.from_bytes(digest[:4]) >> 1)
