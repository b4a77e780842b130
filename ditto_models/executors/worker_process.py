"""What runs in a worker process: one call after another, with its networks kept warm, until its owner is gone."""

from __future__ import annotations

import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection

from ditto_models.executors.devices import Device, check_own
from ditto_models.executors.of_call import call_scope
from ditto_models.executors.parcels import Parcel, opened, receive
from ditto_models.gpu.memory import is_out_of_memory
from ditto_models.gpu.network import loaded_keys

_given_up = 0
"""The number of the last call that nobody waits for any more."""


class RemoteError(RuntimeError):
    """An error or a result of a worker that cannot travel as itself."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call went, as its worker tells."""

    value: object = None
    error: Exception | None = None
    seconds: float
    notes: tuple[str, ...]
    loaded: frozenset[str]
    """Keys of the networks that are warm now."""
    is_broken: bool = False
    """The worker ends: its GPU answers nothing any more, whatever it is asked."""


def serve(calls: Connection, control: Connection, owner: int, device: Device, own: Mapping[str, str]) -> None:
    """Carry out what comes until the owner's ends of the connections close; calls are counted from 1.

    `own` is what the environment must say of the device.
    """
    os.environ.update(own)
    threading.Thread(target=_listen, args=(control,), daemon=True).start()
    for number in count(1):
        try:
            parcel = receive(calls)
        except (EOFError, OSError):
            return
        outcome = _carried_out(number, parcel, device)
        del parcel
        _packed(outcome).send(calls, owner)
        if outcome.is_broken:
            return
        del outcome


def _listen(control: Connection) -> None:
    """Hear which call was given up. The end of the owner, however it came, is the end of this process at once."""
    global _given_up
    try:
        while True:
            _given_up = control.recv()
    except (EOFError, OSError):
        os._exit(1)


def _carried_out(number: int, parcel: list[memoryview], device: Device) -> Outcome:
    started = time.perf_counter()
    with call_scope(lambda: _given_up == number) as notes:
        value, error = _tried(parcel, device)
    seconds = time.perf_counter() - started
    broken = type(error).__name__ == "AcceleratorError" and error is not None and not is_out_of_memory(error)
    told = _travelling(error) if error else None
    loaded = loaded_keys()
    return Outcome(value=value, error=told, seconds=seconds, notes=tuple(notes), loaded=loaded, is_broken=broken)


def _tried(parcel: list[memoryview], device: Device) -> tuple[object, Exception | None]:
    try:
        check_own(device)
        function, args, kwargs = opened(parcel)
        return function(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001 -- it is raised where the call came from
        error.add_note("".join(["In the worker:\n", *traceback.format_exception(error)]))
        return None, error.with_traceback(None)  # which holds on to the tensors of the call


def _travelling(error: Exception) -> Exception:
    """The error itself where it survives the way, else what it says."""
    return error if _survives(lambda: pickle.loads(pickle.dumps(error))) else RemoteError(_said(error))


def _survives(way: Callable[[], object]) -> bool:
    try:
        way()
    except Exception:  # noqa: BLE001 -- pickling runs code of the value's own
        return False
    return True


def _packed(outcome: Outcome) -> Parcel:
    try:
        return Parcel(outcome)
    except Exception as error:  # noqa: BLE001 -- pickling runs code of the value's own
        told = RemoteError(f"the result, a {type(outcome.value).__name__}, cannot be sent: {_said(error)}")
        return Parcel(replace(outcome, value=None, error=told))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
