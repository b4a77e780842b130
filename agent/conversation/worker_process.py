"""Sees to it that somebody owns a run in which people talk: starts a worker where nobody does.

RUN/talk.log is what workers say; its last line tells how the last one fares: "starting", "serving ...", "ended ...", or
"error: ...".
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from memory.owner import holder

ROOT = Path(__file__).parent.parent.parent
LOG = "talk.log"
STARTING = "starting"
START_SECONDS = 20.0
"""That a worker is given to own the run before another is started; two at once do no harm, one of them ends."""
RETRY_SECONDS = 30.0
"""Between two attempts where a worker could not start; a person's move is not kept waiting."""
ERROR = "error: "
_TAIL_BYTES = 4000


class WorkerProcess:
    """The worker of one run, whoever started it."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._child: subprocess.Popen[bytes] | None = None

    def see_to(self, patient: bool) -> None:
        """Start a worker where nobody owns the run and none is starting.

        `patient`: where the last one could not start, wait a while before the next attempt.
        """
        if self._child and self._child.poll() is not None:
            self._child = None
        if self._child or holder(self._run):
            return
        age, last = self._last_line()
        if last == STARTING and age < START_SECONDS:
            return
        if patient and last.startswith(ERROR) and age < RETRY_SECONDS:
            return
        self._start()

    def problem(self) -> str:
        """Why nobody works, in a line; empty where somebody does, or is about to."""
        _, last = self._last_line()
        return last.removeprefix(ERROR) if last.startswith(ERROR) and not holder(self._run) else ""

    def owned_at(self) -> float:
        """When the run was last taken into ownership, in seconds since the epoch; 0 where it never was."""
        with suppress(OSError):
            return (self._run / "owner.lock").stat().st_mtime
        return 0.0

    def _start(self) -> None:
        with (self._run / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{STARTING}\n")
            log.flush()
            self._child = subprocess.Popen(
                [sys.executable, "-m", "agent.conversation", str(self._run.absolute()), "--starter", str(os.getpid())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal that started it is not meant for it
            )

    def _last_line(self) -> tuple[float, str]:
        """Of the log: its age in seconds, and the text; empty where there is none."""
        try:
            with (self._run / LOG).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = log.read().decode("utf-8", errors="replace").splitlines()
                return time.time() - os.fstat(log.fileno()).st_mtime, lines[-1].strip() if lines else ""
        except FileNotFoundError:
            return float("inf"), ""
