"""Sees to it that orders of samples are carried out where nobody owns the run: by a short-lived process.

It loads the embedder of the instruction memory, which a web server should not. What it has to say stands on the
studio's own terminal.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from memory.owner import holder

ROOT = Path(__file__).parent.parent.parent
RETRY_SECONDS = 20.0
"""Between two attempts, where the last one failed."""


class CarryingOut:
    """The process that carries out the open orders of one run, whenever it is needed."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._child: subprocess.Popen[bytes] | None = None
        self._failed_at: float | None = None
        self._lock = threading.Lock()

    def see_to(self) -> None:
        """Start it where nobody owns the run; there is never more than one."""
        with self._lock:
            self._reap()
            waits = self._failed_at is not None and time.monotonic() - self._failed_at < RETRY_SECONDS
            if self._child or waits or holder(self._run):
                return
            self._child = subprocess.Popen(
                [sys.executable, "-m", "agent.override", str(self._run.absolute())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # what it has begun it ends, though the studio is stopped
            )

    def failed(self) -> bool:
        """Whether the last attempt could not be made."""
        with self._lock:
            self._reap()
            return self._failed_at is not None

    def _reap(self) -> None:
        if self._child and (code := self._child.poll()) is not None:
            self._failed_at = time.monotonic() if code else None
            self._child = None
