"""The trainings of a run as people and scripts see them: the list, one with the calls that led to it, orders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.command import CommandError
from agent.plain import plain
from agent.training.order import Action, TrainOrder
from agent.training.progress import minutes, told
from agent.training.worker import CARD, OUT, REPORT
from memory.jobs import Job, TrainingCall
from memory.ledger import Ledger


def jobs_json(ledger: Ledger) -> dict[str, JsonValue]:
    """Every job, and every call at campaign level, those that declined to train too."""
    return {
        "jobs": [job.model_dump(mode="json") for job in ledger.jobs.jobs()],
        "training_calls": [call.model_dump(mode="json") for call in ledger.jobs.calls()],
    }


def job_json(ledger: Ledger, job_id: str, run: Path) -> dict[str, JsonValue]:
    """One job, the calls that led to it, and where its files are.

    Raises:
        CommandError: there is no such job.
    """
    job = _job(ledger, job_id, run)
    calls: list[JsonValue] = [call.model_dump(mode="json") for call in _calls(ledger, job)]
    return job.model_dump(mode="json") | {"folder": str(_folder(run, job)), "calls": calls}


def print_jobs(ledger: Ledger, run: Path, console: Console) -> None:
    """A line for each job and where its editor is, and the last time that training was declined; else nothing."""
    for job in ledger.jobs.jobs():
        editor = f"; the editor is in {str(_folder(run, job) / OUT)!r}" if job.status == "done" else ""
        _line(console, f"{job.id}: {came(job)}{evaluated(job)}{editor}")
    if declined := last_declined(ledger):
        _line(console, declined)


def print_job(ledger: Ledger, job_id: str, run: Path, console: Console) -> None:
    """One job: how far it is, the calls that led to it, what its evaluation found by edit type.

    Raises:
        CommandError: there is no such job.
    """
    job = _job(ledger, job_id, run)
    folder = _folder(run, job)
    console.print(Text(f"{job.id}  {came(job)}", style="bold"))
    rows = {
        "recipe": " ".join([job.recipe, *job.overrides]),
        "pairs": f"{job.accepted} in the run when it was ordered",
        "ordered": job.ordered_at,
        "begun": job.begun_at or "not yet",
        "ended": job.ended_at if job.status != "running" else "",
        "GPU time": f"{minutes(job.gpu_seconds)}, of several GPUs added up" if job.gpu_seconds else "",
        "process": f"{job.pid} on {job.host}" if job.status == "running" else "",
        "files": str(folder),
        "editor": str(folder / OUT) if (folder / OUT / CARD).is_file() else "",
        "report": str(folder / REPORT) if (folder / REPORT).is_file() else "",
    }
    for name, value in rows.items():
        if value:
            _line(console, f"{name:<14} {value}")
    for call in _calls(ledger, job):
        _line(console, f"call {call.number:<9} {call.tool} by {call.by}: {_said(call)}")
    if job.evaluation:
        console.print(_evaluation(job))


def order_training(run: Path, action: Action) -> str:
    """Leave the order for the run's owner; returns what to tell the person."""
    ledger = Ledger(run / "ledger.sqlite")
    try:
        ledger.add_command(TrainOrder(action=action).model_dump())
    finally:
        ledger.close()
    return f"left for the campaign: agent.run on {str(run)!r} carries it out, the one that runs now or the next"


def came(job: Job) -> str:
    """How it stands with a job, in a few words."""
    status = "given up" if job.given_up else job.status
    far = f", {told(job.progress)}" if job.progress and job.status != "done" else f", {job.steps} steps"
    why = job.error or (job.evaluation_error and f"not evaluated: {job.evaluation_error}")
    on = "; the next agent.run goes on with it" if job.status == "stopped" and job.is_open else ""
    return plain(f"{status}, recipe {job.recipe}{far}{f' ({why})' if why else ''}{on}")


def evaluated(job: Job) -> str:
    """What its evaluation found over all edit types, to follow `came`; empty where there is none."""
    scored = [one for one in job.evaluation.values() if one.passed is not None]
    good = sum(one.pairs * (one.passed or 0) for one in scored)
    return f"; {good:.0f} of {sum(one.pairs for one in scored)} evaluated pairs passed" if scored else ""


def last_declined(ledger: Ledger) -> str:
    """The last call about training, in a line, where no job came of it."""
    calls = ledger.jobs.calls()
    if not calls or calls[-1].job:
        return ""
    return plain(f"training last offered at {calls[-1].accepted} pairs: {_said(calls[-1])}")


def _evaluation(job: Job) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("edit type", "pairs", "passed", *(["weight since"] if job.quota else [])):
        table.add_column(column)
    for kind, one in sorted(job.evaluation.items()):
        passed = "-" if one.passed is None else f"{one.passed:.0%}"
        weight = [f"{job.quota.weights.get(kind, 1.0):.2f}"] if job.quota else []
        table.add_row(Text(plain(kind)), str(one.pairs), passed, *weight)
    return table


def _calls(ledger: Ledger, job: Job) -> Sequence[TrainingCall]:
    """The call that began it, and those before it that could not be carried out when it was offered."""
    calls = ledger.jobs.calls()
    place = next((place for place, call in enumerate(calls) if call.job == job.id), None)
    if place is None:
        return []
    first = place
    while first and calls[first - 1].error and calls[first - 1].accepted == job.accepted:
        first -= 1
    return calls[first : place + 1]


def _said(call: TrainingCall) -> str:
    asked = f" after {len(call.refusals)} refused answers" if call.refusals else ""
    default = ", policy's default" if call.planner_fallback else ""
    return plain(f"{call.error or call.note}{asked}{default}")


def _job(ledger: Ledger, job_id: str, run: Path) -> Job:
    jobs = {job.id: job for job in ledger.jobs.jobs()}
    if job_id not in jobs:
        known = f"expected one of {', '.join(jobs)}" if jobs else "the run has none"
        raise CommandError(f"no job {job_id!r} in {str(run)!r}; {known}")
    return jobs[job_id]


def _folder(run: Path, job: Job) -> Path:
    return run / "training" / job.id


def _line(console: Console, text: str) -> None:
    console.print(Text(plain(text).replace("\n", " ")), soft_wrap=True)
