"""Ctrl-C and SIGTERM: the first ends the training after the step under way, the second at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

_SAME_SECONDS = 1.0
"""A launcher of several processes passes on the signal that the terminal has sent to all of them already."""
_SAID = b"stopping after this step; once more stops at once, without saving\n"


class StopRequest:
    """Whether this process was asked to stop, while the context lasts."""

    def __init__(self, launched: bool) -> None:
        """`launched`: whether a launcher stands between this process and the person."""
        self.is_asked = False
        self._launched = launched
        self._asked_at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if not self.is_asked:
            self.is_asked = True
            self._asked_at = time.monotonic()
            os.write(
                2, b"\n" * os.isatty(2) + _SAID
            )  # below the bar; a signal may come while Python itself writes to the stream
        elif not self._launched or time.monotonic() - self._asked_at > _SAME_SECONDS:
            raise KeyboardInterrupt
