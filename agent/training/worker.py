"""The process of a training job: runs the trainer, then the evaluation, and writes down how it ended.

python -m agent.training.worker JOB_FOLDER LOCK

It needs nobody: a campaign that is killed leaves it running, and the next one reads JOB_FOLDER/outcome.json. LOCK is
the number of an open file that is locked as long as any process of the job lives that inherits it; in it stands which
process this is. On SIGINT, which goes to its whole process group, the trainer saves and ends; so does this.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent.training.marked import kill_marked

SPEC, OUTCOME, EVALUATION = "job.json", "outcome.json", "evaluation.json"
OUT = "editto"
"""The trainer's --out, in the job's folder."""
CARD = "editto.json"
"""The file in it that a finished training leaves: that of ditto_models/gpu/editto_card.py, whose imports this need not
wait for."""
REPORT = "evaluation.html"
STOPS = (signal.SIGINT, signal.SIGTERM)
LINE_KEPT = 500
"""Characters of what a program said last."""


class Spec(BaseModel):
    """What a job is to run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: list[str]
    evaluate: list[str]
    """Empty where nothing is."""


class Outcome(BaseModel):
    """How a job ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["done", "failed", "stopped"]
    exit_code: int | None = None
    """Of the trainer; None where it was not run."""
    error: str = ""
    """The trainer's last line on stderr."""
    evaluation_error: str = ""
    """The same of the evaluation, where it failed."""


class Worker:
    """Runs one job."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder = folder
        self._lock = lock
        self._is_stopped = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Begin nothing more; as a handler of signals, so that programs begun here do not inherit a deaf ear."""
        self._is_stopped = True

    def run(self, spec: Spec) -> Outcome:
        """Train, unless that is done, then evaluate.

        Raises:
            OSError: the disk is full.
        """
        code = None
        if self._is_stopped:
            return Outcome(status="stopped", error="it was stopped before it had begun")
        if not (self._folder / OUT / CARD).is_file():
            code, said = self._ran(spec.train, "train.log", "train.err")
            if code:
                return Outcome(status="stopped" if self._is_stopped else "failed", exit_code=code, error=said)
        if not spec.evaluate:
            return Outcome(status="done", exit_code=code)
        if not self._is_stopped:
            failed, said = self._ran(spec.evaluate, EVALUATION, "evaluate.err")
            if not failed or not self._is_stopped:
                return Outcome(status="done", exit_code=code, evaluation_error=said if failed else "")
        return Outcome(status="stopped", exit_code=code)

    def _ran(self, command: list[str], out: str, errors: str) -> tuple[int, str]:
        """A program's exit code, and the last that it said on stderr; 127 where there is no such program."""
        with (self._folder / out).open("wb") as output, (self._folder / errors).open("ab") as said:
            before = said.tell()
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=said, pass_fds=(self._lock,)
                )
            except OSError as error:
                return 127, f"{command[0]!r} cannot be run: {error.strerror}"
            code = process.wait()
        kill_marked(self._folder)  # what a launcher that was killed left at work
        return code, last_line(self._folder / errors, before) or "it said nothing"


def last_line(path: Path, since: int = 0) -> str:
    """What a program said last, from a byte on, which of a traceback is the error; empty where it said nothing."""
    with path.open("rb") as file:
        file.seek(max(since, path.stat().st_size - 65536))
        text = file.read().decode(errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1][:LINE_KEPT] if lines else ""


def main(arguments: list[str]) -> int:
    """Run the job in a folder; 0 once its outcome is written down."""
    folder, lock = Path(arguments[0]), int(arguments[1])
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()} {socket.gethostname()}".encode())
    worker = Worker(folder, lock)
    for number in STOPS:
        signal.signal(number, worker.stop)
    # While Python starts, a Ctrl-C may be swallowed; who began this process held it back until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    outcome = worker.run(Spec.model_validate_json((folder / SPEC).read_bytes()))
    part = folder / f".{OUTCOME}"
    part.write_text(outcome.model_dump_json(indent=1))
    part.rename(folder / OUTCOME)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
