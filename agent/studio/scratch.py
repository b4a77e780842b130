"""A folder for what a studio makes to show, removed when it ends; what a killed one left is removed by the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "ditto-studio-"
YOUNG_SECONDS = 60.0
"""A folder that was made since may be about to be locked by its studio."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """The folder, while the block lasts."""
    _clear_left_over(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(folder)
        finally:
            os.close(lock)


def _clear_left_over(folder: Path) -> None:
    for left in folder.glob(f"{PREFIX}*"):
        try:
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            known = os.fstat(lock)
            if known.st_uid == os.getuid() and time.time() - known.st_mtime > YOUNG_SECONDS:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:  # its studio lives
            pass
        finally:
            os.close(lock)
