"""Brings one training job to its end: starts or takes up its process, keeps its progress, stops it when asked."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from agent.profile import Profile
from agent.training.process import JobProcess, Leader, this_host
from agent.training.progress import told
from agent.training.worker import OUT, REPORT, Spec, last_line
from ditto_models.executors.base import exit_name
from memory.group_commit import now
from memory.jobs import Job, Progress

GLANCE_SECONDS = 0.3
"""Between looks at whether it lives."""
PROGRESS_SECONDS = 60.0
"""Between entries of its progress in the ledger, at most."""
STOP_EVALUATION_SECONDS = 5.0
"""For an evaluation that is asked to stop: the edits that it made are kept, and one may take minutes."""
LINGER_SECONDS = 30.0
"""For what it left running to end, once it has said how it ended."""
MOST_LOST = 3
"""Times that its process may be gone without a word before it counts as failed."""
PROFILE = "profile.yaml"


@dataclass(kw_only=True)
class StopSign:
    """How much jobs are to stop: not at all, with their work saved, or at once."""

    persons: int = 0
    limit: bool = False

    @property
    def asked(self) -> int:
        """0, 1 or more: a limit asks for what a person asks for at first, and never for more."""
        return max(self.persons, int(self.limit))

    def ask(self) -> None:
        """A person asks, or asks once more."""
        self.persons += 1

    def lift(self) -> None:
        """Let jobs run again."""
        self.persons, self.limit = 0, False


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Runs the jobs of a run, one at a time."""

    run: Path
    profile: Profile
    keep: Callable[[Job], None]
    """Writes a job down as it is now."""
    say: Callable[[str], None]
    stop: StopSign

    def folder(self, job: Job) -> Path:
        """Everything that a job writes."""
        return self.run.absolute() / "training" / job.id

    async def carry(self, job: Job) -> Job:
        """Bring a job as far as it goes now: until it is over, or has stopped because it was asked to.

        Raises:
            LedgerError: what became of it cannot be written down; it goes on by itself.
        """
        process = JobProcess(self.folder(job), job.pid)
        job = await self._found(job, process)
        if job.status in ("waiting", "stopped") and not self.stop.asked:
            job = await asyncio.to_thread(self._started, job, process)
        if job.status == "running":
            try:
                job = await self._watched(job, process)
            except asyncio.CancelledError:
                self.say(f"{job.id}: goes on by itself; the next agent.run on this run takes it up")
                raise
        return job

    def gpu_seconds(self, job: Job) -> float:
        """What a job has taken of GPUs, one that runs up to now."""
        if job.status != "running":
            return job.gpu_seconds
        return self._counted(job, JobProcess(self.folder(job)), datetime.now(UTC)).gpu_seconds

    def _counted(self, job: Job, process: JobProcess, until: datetime | None) -> Job:
        """With what it took of GPUs up to a time; as it is where nobody knows up to when it lived."""
        since = datetime.fromisoformat(job.counted_at) if job.counted_at else None
        if not (since and until and since < until):
            return job
        seconds = job.gpu_seconds + process.gpu_seconds(since, until)
        counted_at = until.isoformat(timespec="milliseconds")
        return job.model_copy(update={"gpu_seconds": seconds, "counted_at": counted_at})

    def spec(self, job: Job) -> Spec:
        """What a job runs: the trainer on the run's dataset, then the evaluation by the run's own critic and judge."""
        folder, config = self.folder(job), self.profile.training
        data, out = str(self.run.absolute() / "dataset"), str(folder / OUT)
        cache = str((config.cache or self.run / "training" / "cache").absolute())
        trainer = config.command or (sys.executable, "-m", "ditto_models.train")
        train = [*trainer, "--data", data, "--out", out, "--recipe", job.recipe, "--cache", cache, *job.overrides]
        if config.evaluate_on == "none":
            return Spec(train=train, evaluate=[])
        evaluator = config.evaluate_command or (sys.executable, "-m", "agent.evaluate")
        most = ["--most", str(config.evaluate_most)] if config.evaluate_most else []
        told = ["--html", str(folder / REPORT), "--json", "--profile", str(folder / PROFILE)]
        evaluate = [*evaluator, "--data", data, "--model", out, "--split", config.evaluate_on, *most, *told]
        return Spec(train=train, evaluate=evaluate)

    async def _found(self, job: Job, process: JobProcess) -> Job:
        """A job as its processes are. The ledger does not know of one that a campaign was killed at starting, and may
        hold one for running that is gone."""
        while process.is_alive():
            if job.status == "running":
                return job
            if leader := process.leader():
                process.pid = leader.pid
                self.say(f"{job.id}: is at work already, and taken up")
                return self._running(job, leader)
            await asyncio.sleep(GLANCE_SECONDS)
        await self._clear(job, process)
        return self._settled(job, process, was_watched=False) if job.status == "running" else job

    async def _clear(self, job: Job, process: JobProcess) -> None:
        """See that nothing of a job that has ended is left at work: its launcher may have been killed."""
        if not await asyncio.to_thread(process.clear):
            self.say(f"{job.id}: processes of it were killed and are not gone yet; see `ps -e`")

    def _started(self, job: Job, process: JobProcess) -> Job:
        try:
            process.folder.mkdir(parents=True, exist_ok=True)
            settings = yaml.safe_dump(self.profile.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            (process.folder / PROFILE).write_text(settings, encoding="utf-8")
            process.start(self.spec(job))
        except OSError as error:
            return self._ended(job, status="failed", error=f"it could not be started: {error}")
        again = "goes on" if job.begun_at else "begun"
        job = self._running(job, Leader(pid=process.pid, host=this_host(), since=datetime.now(UTC)))
        self.say(f"{job.id}: {again}, {job.steps} steps of recipe {job.recipe!r}; its log is in {process.folder}")
        return job

    def _running(self, job: Job, leader: Leader) -> Job:
        begun_at = leader.since.isoformat(timespec="milliseconds")
        process = {"pid": leader.pid, "host": leader.host, "begun_at": begun_at, "counted_at": begun_at}
        job = job.model_copy(update={"status": "running", "error": "", **process})
        self.keep(job)
        return job

    async def _watched(self, job: Job, process: JobProcess) -> Job:
        is_trained = self.profile.training.evaluate_on == "none"
        begun = kept_at = time.monotonic()
        deadline, ended_at, is_killed = float("inf"), float("inf"), False
        while process.is_alive():
            now_at = time.monotonic()
            if is_entry_due(now_at - begun, now_at - kept_at):
                before, job = job, self._progressed(job, process)
                kept_at = kept_at if job is before else now_at
            if not is_trained and process.is_trained():
                is_trained, job = True, self._progressed(job, process)
                self.say(f"{job.id}: trained; its evaluation goes on, on split {self.profile.training.evaluate_on!r}")
            if ended_at == float("inf") and process.outcome():
                ended_at = now_at
            if self.stop.asked:
                if job.host != this_host():
                    self.say(f"{job.id}: runs on {job.host!r} and goes on there; stop it there with Ctrl-C's SIGINT")
                    return job
                if deadline == float("inf"):
                    process.signal(signal.SIGINT)
                    self.say(f"{job.id}: asked to save and stop")
                    deadline = now_at + self._stop_seconds(process)
                is_killed = now_at >= deadline or self.stop.asked > 1
            # Elsewhere that number may be anybody's process.
            lingers = now_at - ended_at >= LINGER_SECONDS and job.host == this_host()
            if is_killed or lingers:
                process.signal(signal.SIGKILL)
                await self._clear(job, process)
            await asyncio.sleep(GLANCE_SECONDS)
        await self._clear(job, process)
        return self._settled(self._progressed(job, process), process, was_watched=True, is_killed=is_killed)

    def _stop_seconds(self, process: JobProcess) -> float:
        most = self.profile.training.stop_seconds
        return min(most, STOP_EVALUATION_SECONDS) if process.is_trained() else most

    def _progressed(self, job: Job, process: JobProcess) -> Job:
        found = process.step()
        if found is None or (job.progress and job.progress.step == found[0]):
            return job
        step, loss = found
        left = process.seconds_left(step, job.steps)
        progress = Progress(step=step, steps=job.steps, loss=loss, seconds_left=left, at=now())
        job = self._counted(job, process, datetime.now(UTC)).model_copy(update={"progress": progress})
        self.keep(job)
        self.say(f"{job.id}: {told(progress)}")
        return job

    def _settled(self, job: Job, process: JobProcess, was_watched: bool, is_killed: bool = False) -> Job:
        """A job whose process has ended, by what it left behind."""
        job = self._counted(job, process, datetime.now(UTC) if was_watched else process.last_sign())
        outcome = process.outcome()
        if outcome is None and is_killed:
            said = f"it did not stop within {self._stop_seconds(process):g} s and was killed"
            said = said if self.stop.asked < 2 else "it was killed"
            return self._ended(job, status="stopped", error=said)
        if outcome is None and self.stop.asked:
            return self._ended(job, status="stopped", error="it was stopped before it had begun")
        if outcome is None and not was_watched and job.lost + 1 < MOST_LOST:
            job = job.model_copy(update={"lost": job.lost + 1})
            return self._ended(job, status="stopped", error="its process was gone, with nobody there to see it end")
        if outcome is None:
            gone = f"its process ended without a word{_last_word(process)}"
            if process.is_trained():
                return self._ended(job, status="done", error="", evaluation_error=gone)
            return self._ended(job, status="failed", error=gone)
        code = outcome.exit_code
        if outcome.status == "failed":
            how = exit_name(code) if code is not None else "no exit code"
            return self._ended(job, status="failed", exit_code=code, error=f"{how}: {outcome.error}")
        if outcome.status == "stopped":
            return self._ended(job, status="stopped", exit_code=code, error=outcome.error)
        job = job.model_copy(update={"evaluation_error": outcome.evaluation_error, "exit_code": 0, "error": ""})
        return self._ended(self._evaluated(job, process), status="done")

    def _evaluated(self, job: Job, process: JobProcess) -> Job:
        if job.evaluation_error or self.profile.training.evaluate_on == "none":
            return job
        try:
            return job.model_copy(update={"evaluation": process.evaluation()})
        except ValueError as error:
            return job.model_copy(update={"evaluation_error": str(error)})

    def _ended(self, job: Job, **changes: object) -> Job:
        job = job.model_copy(update={"ended_at": now(), **changes})
        self.keep(job)
        why = job.error or (job.evaluation_error and f"not evaluated: {job.evaluation_error}")
        self.say(f"{job.id}: {job.status}{f' ({why})' if why else ''}")
        return job


def is_entry_due(watched_seconds: float, since_last_seconds: float) -> bool:
    """Whether a job's progress is to be written down again: soon at first, seldom later."""
    return since_last_seconds >= min(PROGRESS_SECONDS, watched_seconds / 4)


def _last_word(process: JobProcess) -> str:
    try:
        said = last_line(process.folder / "worker.err")
    except OSError:  # somebody removed the folder, to make room perhaps
        return ", and its folder is gone"
    return f" ({said})" if said else ""
