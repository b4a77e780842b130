"""One owner per RUN: a lock that names its holder and dies with it."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType


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
        path = run / "owner.lock"
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise RunIsOwned(run, holder) from None
        self._file.truncate(0)
        self._file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the run back."""
        self._file.truncate(0)
        self._file.close()

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()
