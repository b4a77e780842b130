"""A training job as a process: started in a group of its own, looked at through the files of its folder, stopped.

The campaign that started it may end and another take it up: whether it lives is told by a lock, which the kernel frees
with the last process that inherited it, who leads it by what is written there, and how it ended by a file.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.plain import plain
from agent.training.marked import kill_marked, mark_of
from agent.training.worker import CARD, EVALUATION, OUT, OUTCOME, SPEC, STOPS, Outcome, Spec
from ditto_models.settings import first_problem
from ditto_models.train.gpus_held import gpus_held
from ditto_models.train.log_lines import LOG
from memory.jobs import TypeScore

LOCK = "lock"
END_READ = 65536
"""Bytes of a log, from its end."""


class _Line(BaseModel):
    """What is read of a line of the trainer's log."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float | None = None


class _OfType(BaseModel):
    """What is read of one edit type of an evaluation."""

    model_config = ConfigDict(frozen=True)

    pairs: int = Field(ge=0)
    decided: int | None = Field(default=None, ge=0)
    """Those that `passed` is of; None where the evaluation does not say, which then are all."""
    passed: float | None = Field(ge=0, le=1)

    @property
    def score(self) -> TypeScore:
        """As the ledger has it."""
        return TypeScore(pairs=self.pairs if self.decided is None else self.decided, passed=self.passed)


class _Evaluation(BaseModel):
    """What is read of an evaluation."""

    model_config = ConfigDict(frozen=True)

    by_edit_type: dict[str, _OfType]


@dataclass(frozen=True, kw_only=True)
class Leader:
    """The process that leads a job's group."""

    pid: int
    host: str
    since: datetime


class JobProcess:
    """The process of the job in a folder."""

    def __init__(self, folder: Path, pid: int = 0) -> None:
        """`pid` is of one that another campaign started."""
        self.folder = folder
        self.pid = pid
        self._own: subprocess.Popen[bytes] | None = None
        self._pace: tuple[int, float] | None = None

    def start(self, spec: Spec) -> None:
        """Start it, anew or where it stopped.

        Raises:
            OSError: the disk is full.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / OUTCOME).unlink(missing_ok=True)
        part = self.folder / f".{SPEC}"
        part.write_text(spec.model_dump_json(indent=1))
        part.rename(self.folder / SPEC)
        with (self.folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)  # it says who led it before
            command = [sys.executable, "-m", "agent.training.worker", str(self.folder), str(lock.fileno())]
            with (self.folder / "worker.err").open("ab") as errors, held_back(STOPS):
                self._own = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(lock.fileno(),),
                    env=os.environ | mark_of(self.folder),
                    start_new_session=True,
                )
        self.pid, self._pace = self._own.pid, None

    def leader(self) -> Leader | None:
        """As it said itself; None where it has not yet."""
        path = self.folder / LOCK
        try:
            said = re.fullmatch(r"(\d+) (\S+)", path.read_text())
        except OSError:
            return None
        since = _written_at(path)
        return Leader(pid=int(said[1]), host=said[2], since=since) if said and since else None

    def is_alive(self) -> bool:
        """Whether any process of the job lives, but what a launcher left behind (`clear`)."""
        if self._own:
            self._own.poll()
        try:
            with (self.folder / LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # somebody removed the folder, or put something in its place
            return False
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the job's process group; to one that has ended, nothing."""
        try:
            if self.pid:  # else it would be our own group
                os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def clear(self) -> bool:
        """Kill whatever process of it lives on this machine; false where some do not go."""
        return kill_marked(self.folder)

    def outcome(self) -> Outcome | None:
        """How it ended; None where it did not say."""
        try:
            return Outcome.model_validate_json((self.folder / OUTCOME).read_bytes())
        except (OSError, ValidationError):
            return None

    def is_trained(self) -> bool:
        """Whether the trainer has made all its steps and written what came of them."""
        return (self.folder / OUT / CARD).is_file()

    def step(self) -> tuple[int, float | None] | None:
        """The last step of the optimizer that its log tells of, and the loss; None where there is none yet."""
        for line in reversed(_last_lines(self.folder / OUT / LOG)):
            try:
                found = _Line.model_validate_json(line)
            except ValidationError:  # torn, or of another kind
                continue
            return found.step, found.loss
        return None

    def seconds_left(self, step: int, steps: int) -> float | None:
        """Until all steps are done, as the pace is since it was first looked at; None until there is one."""
        if self._pace is None:
            self._pace = step, time.monotonic()
        first, at = self._pace
        if step == first:
            return None
        return max(0, steps - step) * (time.monotonic() - at) / (step - first)

    def gpu_seconds(self, since: datetime, until: datetime) -> float:
        """What it took of GPUs between two times: all that the trainer holds, then one, where the editor is evaluated;
        nothing where the trainer has none."""
        gpus = gpus_held(self.folder / OUT)
        trained_at = min(max(_written_at(self.folder / OUT / CARD) or until, since), until)
        training, evaluating = (trained_at - since).total_seconds(), (until - trained_at).total_seconds()
        return gpus * training + min(gpus, 1) * evaluating

    def last_sign(self) -> datetime | None:
        """When it was last known to live, of one that has ended: as it said how it ended, else as it last logged."""
        return _written_at(self.folder / OUTCOME) or _written_at(self.folder / OUT / LOG)

    def evaluation(self) -> dict[str, TypeScore]:
        """What its evaluation found, by edit type.

        Raises:
            ValueError: it is none; the message says in a line why.
        """
        try:
            found = _Evaluation.model_validate_json((self.folder / EVALUATION).read_bytes()).by_edit_type
        except ValidationError as error:
            raise ValueError(f"{EVALUATION} is no evaluation: {plain(first_problem(error))}") from error
        except OSError as error:
            raise ValueError(f"{EVALUATION} cannot be read: {error.strerror}") from error
        return {kind: one.score for kind, one in found.items()}


@contextmanager
def held_back(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """In which they do not reach this thread; a process that begins in it gets them once it wants them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def this_host() -> str:
    """Where processes of this campaign run."""
    return socket.gethostname()


def _written_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _last_lines(path: Path) -> Sequence[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - END_READ))
            return file.read().splitlines()
    except OSError:
        return ()
