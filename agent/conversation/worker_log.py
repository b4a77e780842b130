"""RUN/talk.log: what workers say, and the lock by which only one of them starts.

Its last line tells how the last one fares: "starting", "serving ...", "ended: ...", or "error: ...".
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

LOG = "talk.log"
STARTING = "starting"
ERROR, ENDED = "error: ", "ended: "
_TAIL_BYTES = 4000
_PATIENCE_SECONDS = 0.3


class WorkerLog:
    """Where a worker says how it fares."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._is_output = os.path.sameopenfile(file.fileno(), 2)

    def say(self, line: str) -> None:
        """One line; on the terminal too, where there is one."""
        self._file.write(" ".join(line.split()) + "\n")
        if not self._is_output:
            print(line, flush=True)


@contextmanager
def worker_log(run: Path) -> Iterator[WorkerLog | None]:
    """The log while the block lasts; None where another worker has it."""
    with (run / LOG).open("a", encoding="utf-8", buffering=1) as file:
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > until:
                yield None
                return
            time.sleep(0.05)
        yield WorkerLog(file)


def is_served(run: Path) -> bool:
    """Whether a worker of conversations lives."""
    try:
        with (run / LOG).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


def last_line(run: Path) -> tuple[float, str]:
    """Of the log: its age in seconds, and the text; endless and empty where there is none."""
    try:
        with (run / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
            return time.time() - os.fstat(log.fileno()).st_mtime, lines[-1].strip() if lines else ""
    except FileNotFoundError:
        return float("inf"), ""
