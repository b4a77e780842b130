"""Training at campaign level: when it is offered, which job runs, and what comes of its evaluation.

One job at a time, in a process of its own; a campaign waits for it only at its end. Nothing is kept here but in the
ledger: a job whose campaign was killed goes on and is taken up by the next one, and one that was stopped is resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent.offers import OfferBook
from agent.training.config import TrainingConfig
from agent.training.flywheel import quota_weights
from agent.training.job import JobRunner
from agent.training.offer import TrainingDesk
from agent.training.order import KIND, TrainOrder
from memory.jobs import Job, Quota, TrainingCall, Why
from memory.ledger import Ledger

GLANCE_SECONDS = 1.0
"""Between looks at whether there is anything to do."""


@dataclass(kw_only=True)
class Training:
    """The trainings of an open run."""

    config: TrainingConfig
    ledger: Ledger
    desk: TrainingDesk
    runner: JobRunner
    book: OfferBook
    free: Callable[[], Awaitable[None]]
    """Lets networks give back what they hold of GPUs."""
    say: Callable[[str], None]
    is_paused: bool = False
    """Whether no job may be begun, because a person paused the campaign; one that runs goes on."""
    _jobs: dict[str, Job] = field(init=False)
    _is_busy: bool = field(default=False, init=False)
    _is_ending: bool = field(default=False, init=False)
    _is_stopping: bool = field(default=False, init=False)
    _offered_at: int = field(init=False)
    """Accepted pairs when training was last offered or ordered."""
    _order: int | None = field(default=None, init=False)
    """A person's command to begin a job, until that is done."""
    _given_up: set[str] = field(default_factory=set, init=False)
    """Jobs that a person wants no more."""
    _seen: set[str] = field(default_factory=set, init=False)
    """Jobs that went as far as they could in this session."""

    def __post_init__(self) -> None:
        self._jobs = {job.id: job for job in self.ledger.jobs.jobs()}
        offered_at = [call.accepted for call in self.ledger.jobs.calls()]
        self._offered_at = max([*offered_at, *(job.accepted for job in self._jobs.values())], default=0)
        quotas = [(job.id, job.quota) for job in self._jobs.values() if job.quota]
        if self.config.flywheel.on and quotas:
            self.book.weigh(*quotas[-1])

    @property
    def holds(self) -> bool:
        """Whether no sample may begin now, because a job needs the machine or is about to."""
        return self.config.exclusive and (self._is_busy or self._has_work())

    @property
    def gpu_seconds(self) -> float:
        """What all jobs have taken of GPUs, one that runs up to now."""
        return sum(self.runner.gpu_seconds(job) for job in self._jobs.values())

    def keep(self, job: Job) -> None:
        """Write a job down as it is now."""
        self.ledger.jobs.put(job)
        self._jobs[job.id] = job

    async def watch(self, drained: Callable[[], Awaitable[None]]) -> None:
        """Offer training when it is due and run what comes of it, for as long as the campaign lasts.

        `drained` returns once the samples under way have ended.

        Raises:
            LedgerError: what happened cannot be written down; a job that runs goes on by itself.
        """
        self._catch_up()
        while True:
            self._is_busy = self._has_work()
            if self._is_busy:
                await self._attend(drained)
            else:
                await asyncio.sleep(GLANCE_SECONDS)

    def is_over(self, limit: str = "") -> bool:
        """Whether the campaign, which has nothing else left to do, may end.

        Training is offered a last time and a job is waited for, unless a `limit` is reached: then a job is asked to
        save and stop.
        """
        self._is_ending = not limit
        if limit and not self._is_stopping:
            if job := self._open_job():
                self.say(f"{limit}: {job.id} stops here; a session that has more left goes on with it")
            self._is_stopping = self.runner.stop.limit = True
        return not self._is_busy and not self._has_work()

    def goes_on(self) -> None:
        """The campaign has samples under way again: what it would have ended with is not due yet."""
        self._is_ending = False

    def stop(self) -> None:
        """Begin nothing more, and let a job save and stop; asked a second time, kill it."""
        self._is_stopping = True
        self.runner.stop.ask()

    def take_orders(self) -> None:
        """What people asked for: a job begun now, or the one under way given up for good."""
        for number, payload in self.ledger.open_commands():
            if payload.get("kind") == KIND and number != self._order:
                self._take(number, TrainOrder.model_validate(payload))

    def _take(self, number: int, order: TrainOrder) -> None:
        job = self._open_job() or next((job for job in self._jobs.values() if job.is_open), None)
        if order.action == "start" and job is None and self._order is None:
            self._order = number  # done once the job is ordered
        elif order.action == "start":
            self._answer(number, f"refused: {job.id if job else 'another job'} is under way")
        elif job is not None:
            self._answer(number, "done")
            self._give_up(job)
        elif self._order is not None:
            self._answer(self._order, "withdrawn before it was begun")
            self._order = None
            self._answer(number, "done")
        else:
            self._answer(number, "refused: no job is under way")

    def _give_up(self, job: Job) -> None:
        self._given_up.add(job.id)
        if job.id in self._seen:
            self.keep(job.model_copy(update={"given_up": True}))
        else:
            self.runner.stop.ask()

    def _answer(self, number: int, outcome: str) -> None:
        """What became of a person's order: kept, and said unless what follows says it."""
        self.ledger.finish_command(number, outcome)
        if outcome != "done":
            self.say(f"order about training: {outcome}")

    def _has_work(self) -> bool:
        job = self._open_job()
        if (
            self._is_stopping or self.is_paused
        ):  # one that an earlier campaign left running is to be stopped, or watched
            return job is not None and job.status == "running"
        return job is not None or self._order is not None or self._due() is not None

    async def _attend(self, drained: Callable[[], Awaitable[None]]) -> None:
        if job := self._open_job():
            await self._carry(job, drained)
        elif (number := self._order) is not None:
            made = await self.desk.order(list(self._jobs.values()))
            is_withdrawn, self._order = self._order is None, None
            self._tell(made)
            if not is_withdrawn:
                self.ledger.finish_command(number, f"refused: {made.error}" if made.error else "done")
            elif made.job:
                self._give_up(self._jobs[made.job])
        elif why := self._due():
            new = self._accepted() - self._offered_at
            self._tell(await self.desk.offer(why, list(self._jobs.values()), new))
        self._is_busy = False

    async def _carry(self, job: Job, drained: Callable[[], Awaitable[None]]) -> None:
        if self.holds:
            await drained()
        if self.config.exclusive or self._is_ending:
            await self.free()
        job = await self.runner.carry(job)
        self._seen.add(job.id)
        if job.id in self._given_up and job.is_open:
            self.keep(job.model_copy(update={"given_up": True, "status": "stopped"}))
        if not self._is_stopping:
            self.runner.stop.lift()
        if job.status == "done":
            self._turn_flywheel(job)

    def _catch_up(self) -> None:
        """Turn the flywheel by the last evaluation where its campaign was killed before it did."""
        evaluated = [job for job in self._jobs.values() if job.status == "done" and job.evaluation]
        if evaluated and not evaluated[-1].quota:
            self._turn_flywheel(evaluated[-1])

    def _turn_flywheel(self, job: Job) -> None:
        if not (self.config.flywheel.on and job.evaluation):
            return
        weights = quota_weights(job.evaluation, self.config.flywheel)
        self.keep(job.model_copy(update={"quota": Quota(weights=weights, uses=self.ledger.asked())}))
        self.book.weigh(job.id, Quota(weights=weights, uses=self.book.uses))
        told = ", ".join(f"{kind} {weight:.2f}" for kind, weight in sorted(weights.items()))
        self.say(f"{job.id}: by its evaluation edit types now weigh {told}")

    def _open_job(self) -> Job | None:
        """The job to go on with. One that stopped in this session without being asked to waits for the next session."""
        return next((job for job in self._jobs.values() if job.is_open and job.id not in self._seen), None)

    def _due(self) -> Why | None:
        if not self.config.is_on:
            return None
        new = self._accepted() - self._offered_at
        if self.config.every is not None and new >= self.config.every:
            return "new_pairs"
        return "end" if self._is_ending and self.config.at_end and new > 0 else None

    def _accepted(self) -> int:
        return self.ledger.counts().get("accepted", 0)

    def _tell(self, made: TrainingCall | None) -> None:
        self._offered_at = made.accepted if made else self._accepted()
        if made is None:
            self.say(f"training is not offered yet: fewer than {self.config.least_pairs} pairs to train on")
            return
        if made.job:
            self._jobs = {job.id: job for job in self.ledger.jobs.jobs()}
        self.say(f"{made.tool} by {made.by}: {made.error or made.note}")
