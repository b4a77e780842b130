"""The processes of a job on this machine, wherever they went: each inherits a mark in its environment.

Launchers such as torchrun give every worker a session of its own and no open file, so that neither the job's process
group nor the lock of its folder tells of them.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

MARK = "DITTO_TRAINING_JOB"
KILL_SECONDS = 20.0
"""For a process that was killed to be gone: one that holds a GPU may take a while."""
_GLANCE_SECONDS = 0.05


def mark_of(folder: Path) -> dict[str, str]:
    """What the environment of the job's first process must have."""
    return {MARK: str(folder.absolute())}


def marked(folder: Path) -> list[int]:
    """Processes of the job in a folder that live, but this one."""
    [(name, value)] = mark_of(folder).items()
    wanted, own = f"{name}={value}".encode(), os.getpid()
    found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [pid for pid in found if pid != own and wanted in _environment(pid)]


def kill_marked(folder: Path) -> bool:
    """Kill them all, also those that they begin meanwhile; false where some are not gone in time."""
    deadline = time.monotonic() + KILL_SECONDS
    while left := marked(folder):
        if time.monotonic() >= deadline:
            return False
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_GLANCE_SECONDS)
    return True


def _environment(pid: int) -> list[bytes]:
    """As it was begun with; empty of a process that has ended or is somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
