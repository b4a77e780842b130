"""A training job as a process: started in a group of its own, looked at through the files of its folder, stopped.

The campaign that started it may end and another take it up: whether it lives is told by a lock, which the kernel frees
with the last process of the job, and how it ended by a file.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.plain import plain
from agent.training.worker import CARD, EVALUATION, OUT, OUTCOME, SPEC, Outcome, Spec
from ditto_models.settings import first_problem
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
            command = [sys.executable, "-m", "agent.training.worker", str(self.folder), str(lock.fileno())]
            with (self.folder / "worker.err").open("ab") as errors:
                self._own = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(lock.fileno(),),
                    start_new_session=True,
                )
        self.pid, self._pace = self._own.pid, None

    def is_alive(self) -> bool:
        """Whether any process of the job lives."""
        if self._own:
            self._own.poll()
        try:
            with (self.folder / LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the job; to one that has ended, nothing."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def outcome(self) -> Outcome | None:
        """How it ended; None where it did not say."""
        try:
            return Outcome.model_validate_json((self.folder / OUTCOME).read_bytes())
        except (FileNotFoundError, ValidationError):
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


def this_host() -> str:
    """Where processes of this campaign run."""
    return socket.gethostname()


def _last_lines(path: Path) -> Sequence[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - END_READ))
            return file.read().splitlines()
    except FileNotFoundError:
        return ()
