"""Calls that harm the process they run in."""

from __future__ import annotations

import ctypes
import os
import time

from ditto_models import video


def crash() -> None:
    ctypes.string_at(0)


def hang() -> None:
    time.sleep(600)


def swell() -> int:
    return len(bytearray(3 << 30))


def refuse() -> None:
    raise video.VideoError("'x.mp4' is no video")


def own_pid() -> int:
    return os.getpid()


def refuse_late() -> None:
    time.sleep(0.2)
    refuse()
