"""Values on their way between processes: pickled, with large arrays in memory that both sides map.

Through a pipe a clip of 279 MB takes seconds each way (bench/workers.py). The memory is a memfd: it has no name that a
killed process could leave behind, and /dev/shm, which containers keep at 64 MB, does not bound it.
"""

from __future__ import annotations

import mmap
import os
import pickle
import weakref
from collections.abc import Sequence
from itertools import accumulate
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

ALIGNED_BYTES = 64
"""Arrays begin at multiples of it, as NumPy's own do."""


class Parcel:
    """A value that was packed; its memory is freed with it."""

    def __init__(self, value: object) -> None:
        """Copies arrays once.

        Raises:
            Exception: whatever the value's own pickling raises.
        """
        arrays: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
        views = [memoryview(pickled), *(array.raw() for array in arrays)]
        self._lengths = [view.nbytes for view in views]
        self._file = os.memfd_create("parcel")
        self._closed = weakref.finalize(self, os.close, self._file)
        begins = _begins(self._lengths)
        os.ftruncate(self._file, begins[-1])
        for view, begin in zip(views, begins, strict=False):
            _write(self._file, view, begin)

    def send(self, to: Connection, pid: int) -> None:
        """Hand it to a process, which takes it with `receive`; it may be sent again.

        Raises:
            OSError: the process is gone.
        """
        to.send(self._lengths)
        send_handle(to, self._file, pid)


def receive(connection: Connection) -> list[memoryview]:
    """The next parcel, to be opened. What is written to its arrays stays here, since it may be sent again.

    Raises:
        EOFError, OSError: the other side is gone.
    """
    lengths = connection.recv()
    file = recv_handle(connection)
    begins = _begins(lengths)
    try:
        memory = mmap.mmap(file, begins[-1], access=mmap.ACCESS_COPY)
    finally:
        os.close(file)
    whole = memoryview(memory)
    return [whole[begin : begin + length] for begin, length in zip(begins, lengths, strict=False)]


def opened(parcel: list[memoryview]) -> Any:
    """The value; its arrays lie in the memory that it came in, which is freed with them.

    Raises:
        Exception: whatever the value's own unpickling raises.
    """
    return pickle.loads(parcel[0], buffers=parcel[1:])


def _begins(lengths: Sequence[int]) -> list[int]:
    """Where each begins, and where the last one ends."""
    padded = (-(-length // ALIGNED_BYTES) * ALIGNED_BYTES for length in lengths)
    return list(accumulate(padded, initial=0))


def _write(file: int, view: memoryview, begin: int) -> None:
    """Not through a mapping: the kernel writes without holding Python's lock, and faults in no pages."""
    written = 0
    while written < view.nbytes:
        written += os.pwrite(file, view[written:], begin + written)
