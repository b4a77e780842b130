"""One owner per RUN: a lock that names its holder and dies with it."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import IO

LOCK = "owner.lock"
PATIENCE_SECONDS = 0.5
"""For which a lock that is held is tried again: `holder` may be looking."""


class RunIsOwned(RuntimeError):
    """Another process, `holder`, owns the run."""

    def __init__(self, run: Path, holder: str) -> None:
        super().__init__(f"run {str(run)!r} is owned by {holder}; wait for it to end, stop it, or give another --out")
        self.holder = holder


class Owner:
    """Holds RUN/owner.lock. The kernel frees the lock when the process ends, however it ends.

    Raises:
        RunIsOwned: another process holds it; the message names its pid and host.
    """

    def __init__(self, run: Path) -> None:
        path = run / LOCK
        self._file = path.open("a+")
        until = time.monotonic() + PATIENCE_SECONDS
        while not _lock(self._file, fcntl.LOCK_EX):
            if time.monotonic() > until:
                self._file.seek(0)
                named = self._file.read().strip() or "another process"
                self._file.close()
                raise RunIsOwned(run, named)
            time.sleep(0.02)
        self._file.truncate(0)
        self._file.write(f"{this_process()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the run back."""
        self._file.truncate(0)
        self._file.close()

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def holder(run: Path) -> str:
    """Who owns the run now, for example "pid 7 on host"; empty where nobody does."""
    try:
        with (run / LOCK).open("r") as file:
            named = file.read().strip()
            if not named or is_gone(named):
                return ""
            # What is written may be of one that was killed, and its pid another's by now.
            return "" if _lock(file, fcntl.LOCK_SH) else named
    except FileNotFoundError:
        return ""


def this_process() -> str:
    """How this process is named to others."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


def is_gone(named: str) -> bool:
    """Whether a process of this machine, named so, has ended; of another machine's nobody here knows."""
    local = re.fullmatch(rf"pid (\d+) on {re.escape(socket.gethostname())}", named)
    return local is not None and not Path("/proc", local[1]).exists()


def _lock(file: IO[str], how: int) -> bool:
    """Lock a file until it is closed; False where somebody else has it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
