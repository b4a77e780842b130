"""Sees to it that somebody owns a run in which people talk: starts a worker where nobody does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from agent.conversation.worker_log import ENDED, ERROR, LOG, STARTING, last_line
from memory.owner import holder

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 20.0
"""That a worker is given to own the run before another is started; two at once do no harm, one of them ends."""
RETRY_SECONDS = 30.0
"""Between two attempts where a worker could not start; a person's move is not kept waiting."""


END_SECONDS = 5.0
"""That a worker which has said that it ends may take for it, while a person's move waits."""


class WorkerProcess:
    """The worker of one run, whoever started it."""

    def __init__(self, run: Path, module: str = "agent.conversation") -> None:
        self._run = run
        self._module = module
        self._child: subprocess.Popen[bytes] | None = None
        self._unstarted = ""
        self._lock = threading.Lock()

    def see_to(self, patient: bool) -> None:
        """Start a worker where nobody owns the run and none is starting.

        `patient`: where the last one could not start, wait a while before the next attempt.
        """
        with self._lock:
            age, last = last_line(self._run)
            if self._child and last.startswith((ERROR, ENDED)):
                with suppress(subprocess.TimeoutExpired):  # it is about to end
                    self._child.wait(0 if patient else END_SECONDS)
            if self._child and self._child.poll() is not None:
                self._child = None
            if self._child or holder(self._run):
                return
            if last == STARTING and age < START_SECONDS:
                return
            if patient and last.startswith(ERROR) and age < RETRY_SECONDS:
                return
            self._unstarted = ""
            try:
                self._start()
            except OSError as error:  # what was ordered is in the ledger, and is carried out once this is mended
                self._unstarted = f"nobody could be started to work on it ({error.strerror}); this is tried again"

    def problem(self) -> str:
        """Why nobody works, in a line; empty where somebody does, or is about to."""
        if self._unstarted and not holder(self._run):
            return self._unstarted
        _, last = last_line(self._run)
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
                [sys.executable, "-m", self._module, str(self._run.absolute()), "--starter", str(os.getpid())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal that started it is not meant for it
            )
