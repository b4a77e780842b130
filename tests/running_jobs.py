"""A run with one training job in it, carried as a campaign does."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.profile import Profile
from agent.training.job import JobRunner, StopSign
from agent.training.offer import ordered
from memory.jobs import Job
from tests.training_runs import wait_until
from tools.train_editto import PairFilter


class Jobs:
    """A run with a job in it, and what was kept and said of it."""

    def __init__(self, run: Path, profile: Profile) -> None:
        self.run = run
        self.kept: list[Job] = []
        self.said: list[str] = []
        self.stop = StopSign()
        self.runner = JobRunner(run=run, profile=profile, keep=self.kept.append, say=self.said.append, stop=self.stop)

    def hear(self, say: Callable[[str], None]) -> None:
        """Have what is said of the job heard by another."""
        self.runner = replace(self.runner, say=say)

    def carried(self, job: Job | None = None, *, stop: int = 0, leave: bool = False) -> Job:
        """The job as far as it goes, stopped after its first step so many times or left alone then."""
        (self.run / "dataset").mkdir(parents=True, exist_ok=True)
        job = job or ordered(self.runner.profile.training, "tiny", PairFilter(scope="local"), "end", (), 7)
        return asyncio.run(self._carried(job, stop, leave))

    async def _carried(self, job: Job, stop: int, leave: bool) -> Job:
        task = asyncio.create_task(self.runner.carry(job))
        if stop or leave:
            saved = self.runner.folder(job) / "editto" / "saved.json"
            await asyncio.to_thread(wait_until, saved.exists)
        for _ in range(stop):
            self.stop.ask()
        if not leave:
            return await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self.kept[-1]
