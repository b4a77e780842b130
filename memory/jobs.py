"""The ledger's tables of training: every call at campaign level, and the jobs that came of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from memory.group_commit import now
from memory.ledger_table import LedgerTable
from memory.noun import Noun
from memory.sample import By, ModelCall, Refusal

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, payload TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS training_calls (number INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL);
"""
Why = Literal["new_pairs", "end", "person"]
"""What a job was offered or ordered for: enough new pairs, the end of a campaign, a person's wish."""
JobStatus = Literal["waiting", "running", "stopped", "done", "failed"]
OVER: tuple[JobStatus, ...] = ("done", "failed")


class Progress(Noun):
    """How far a training has come."""

    step: int
    steps: int
    """In all."""
    loss: float | None
    seconds_left: float | None
    """As the pace is; None until there is one."""
    at: str


class TypeScore(Noun):
    """What an evaluation says of one edit type."""

    pairs: int = Field(ge=0)
    """That could be decided."""
    passed: float | None = Field(ge=0, le=1)
    """Share of them; None where there are none."""


class Quota(Noun):
    """How much rather than others the edit types are asked for since a job's evaluation."""

    weights: dict[str, float]
    """By edit type; 1 is as before."""
    uses: dict[str, int]
    """How often each had been asked for by then: the weights are of what is asked from then on."""


class Job(Noun):
    """One training of Editto, with its evaluation."""

    id: str
    why: Why
    recipe: str
    overrides: list[str]
    """Of the recipe, those of the profile and the snapshot's filter."""
    accepted: int
    """Pairs in the run when it was ordered."""
    steps: int
    """That the recipe takes."""
    ordered_at: str = Field(default_factory=now)
    begun_at: str = ""
    """The last time that its process was started; empty before the first."""
    ended_at: str = ""
    status: JobStatus = "waiting"
    given_up: bool = False
    """Of a stopped job: nobody goes on with it."""
    pid: int = 0
    """Of its process, which leads a group of its own."""
    host: str = ""
    lost: int = 0
    """Times that its process was gone without a word."""
    exit_code: int | None = None
    """Of the trainer; negative is a signal's number."""
    error: str = ""
    gpu_seconds: float = 0.0
    """That it took of GPUs, those of several added up."""
    counted_at: str = ""
    """Up to when they are counted, of one that was begun."""
    progress: Progress | None = None
    evaluation: dict[str, TypeScore] = Field(default_factory=dict)
    """By edit type; empty where there is none."""
    evaluation_error: str = ""
    """Why there is none of a job that is done."""
    quota: Quota | None = None
    """What the flywheel made of the evaluation, where it is on."""

    @property
    def is_open(self) -> bool:
        """Whether it runs or is still to."""
        return self.status not in OVER and not self.given_up


class TrainingCall(Noun):
    """One call at campaign level: who called what with which arguments, and what came of it."""

    number: int = 0
    """The ledger's, 0 until it is added."""
    at: str = Field(default_factory=now)
    why: Why
    accepted: int
    """Pairs in the run."""
    tool: str
    arguments: dict[str, JsonValue]
    by: By
    model: str | None = None
    prompt_hash: str | None = None
    tokens: int | None = None
    seconds: float = 0.0
    refusals: list[Refusal] = Field(default_factory=list)
    planner_fallback: bool = False
    """True where the planner gave no legal call and policy's default was taken."""
    calls: list[ModelCall] = Field(default_factory=list)
    job: str | None = None
    """That it began."""
    note: str = ""
    error: str | None = None


class JobTable(LedgerTable):
    """The jobs and the calls."""

    def put(self, job: Job) -> None:
        """Keep a job as it is now.

        Raises:
            LedgerError: the disk is full or the file is damaged; what was kept before stays.
        """
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO jobs VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET payload = excluded.payload",
                (job.id, job.model_dump_json()),
            )

    def jobs(self) -> list[Job]:
        """Every job, in the order of their ids, which is that of their orders."""
        return [Job.model_validate_json(payload) for (payload,) in self._known("jobs", "payload", "id")]

    def add_call(self, call: TrainingCall) -> TrainingCall:
        """Keep a call; returns it numbered.

        Raises:
            LedgerError: as of `put`.
        """
        with self._transaction() as connection:
            cursor = connection.execute("INSERT INTO training_calls (payload) VALUES (?)", (call.model_dump_json(),))
        return call.model_copy(update={"number": cursor.lastrowid})

    def calls(self) -> list[TrainingCall]:
        """Every call at campaign level, oldest first."""
        rows = self._known("training_calls", "number, payload", "number")
        return [
            TrainingCall.model_validate_json(payload).model_copy(update={"number": number}) for number, payload in rows
        ]
