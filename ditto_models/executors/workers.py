"""Worker processes with one GPU each, in which networks stay loaded between calls.

Plain processes and connections, because neither a ProcessPoolExecutor nor pebble tells a running call to stop without
killing the worker, and its warm network with it, nor lets a call choose the worker that has its network.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.executors.base import Timed, WorkerLost
from ditto_models.executors.devices import Device, NoDevice, devices_of, environment, is_gpu
from ditto_models.executors.line import Call, Line
from ditto_models.executors.parcels import Parcel
from ditto_models.executors.spent import Clock
from ditto_models.executors.worker import Crashed, Worker
from ditto_models.gpu.network import Network, key_of

P = ParamSpec("P")
T = TypeVar("T")


class WorkersConfig(BaseModel):
    """Which workers, and what a call may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    devices: Literal["auto"] | tuple[Device, ...] = Field(default="auto", min_length=1)
    """One worker for each, for example [cuda:0, cuda:1] or [cpu, cpu]; auto takes every CUDA device that is visible."""
    queue: int = Field(default=2, ge=1)
    """Calls that wait for each worker with their arrays at hand; further ones wait before their arrays are copied."""
    call_seconds: float = Field(default=3600, gt=0)
    """After so long, loading included, a call is taken to hang: its worker is killed and replaced."""
    grace_seconds: float = Field(default=60, ge=0)
    """For a call that was cancelled to come to the end of its step, before its worker is killed."""


class WorkerExecutor:
    """An Executor of one process for each device. Functions, arguments and results must be picklable.

    A call whose worker crashes is tried once more, since a crash need not be its doing and networks give the same again
    for the same seed; one that hangs is not, since it would only hang longer.
    """

    def __init__(self, config: WorkersConfig) -> None:
        """Workers are started by their first calls.

        Raises:
            NoDevice: a device is not there.
        """
        devices = devices_of(config.devices)
        self._line: Line[Worker] = Line(config.queue * len(devices))
        self._workers = [
            Worker(device, environment(device, len(devices)), config.call_seconds, config.grace_seconds)
            for device in devices
        ]
        self._leaving = threading.Lock()
        self._alive = len(devices)
        self._keepers = [threading.Thread(target=self._keep, args=(worker,), daemon=True) for worker in self._workers]
        for keeper in self._keepers:
            keeper.start()

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        """Call `function` in a worker; what it raises is raised here. A bound method of a Network finds it warm.

        Cancelled, it never begins or is told to stop (`stop_if_cancelled`); the worker and its networks live on.

        Raises:
            WorkerLost: the call crashed two workers, or hung.
            NoDevice: no device is left that answers.
        """
        call = await self._in_line(function, args, kwargs)
        try:
            return cast(Timed[T], await asyncio.wrap_future(call.result))
        except BaseException:
            self._line.give_up(call)
            call.clock.was_in_vain()
            raise

    def close(self) -> None:
        """Wait for what is under way, unless it was cancelled; what still waits for its turn is lost."""
        for worker in self._workers:
            worker.hurry.set()
        self._line.close(WorkerLost("the workers were ended before the call began"))
        for keeper in self._keepers:
            keeper.join()

    async def _in_line(self, function: Callable[..., object], args: object, kwargs: object) -> Call:
        admitted = self._line.enter()
        try:
            await asyncio.wrap_future(admitted)
        except asyncio.CancelledError:
            if not admitted.cancel():
                self._line.leave()
            raise
        try:
            call = Call(key=_network_of(function), parcel=await asyncio.to_thread(Parcel, (function, args, kwargs)))
            self._line.append(call)
        except BaseException:
            self._line.leave()
            raise
        return call

    def _keep(self, worker: Worker) -> None:
        """Give a worker its calls; in a thread of its own."""
        while self._served_one(worker):
            pass
        worker.dismiss()

    def _served_one(self, worker: Worker) -> bool:
        call = self._line.take(worker)
        if call is None:
            return False
        call.clock = Clock(lambda: is_gpu(worker.device))
        call.clock.begin()
        try:
            made = _carried_out(call, worker)
        except NoDevice as error:
            self._leave_out(worker, call, error)
            return False
        except Exception as error:  # noqa: BLE001 -- it is raised where the call came from
            call.clock.end()
            call.result.set_exception(error)
        else:
            call.result.set_result(made)
        return True

    def _leave_out(self, worker: Worker, call: Call, error: NoDevice) -> None:
        """Calls go to the other devices; once there is none, the run must end, or it would use up every sample."""
        call.notes.append(f"{worker.device} does not answer and is left out")
        self._line.put_back(call)
        with self._leaving:
            self._alive -= 1
            if not self._alive:
                self._line.close(error)


def _carried_out(call: Call, worker: Worker) -> Timed[object]:
    lost = 0.0
    try:
        outcome = worker.call(call.parcel, call.given_up)
    except Crashed as crash:
        if call.given_up.is_set():
            raise
        lost = call.clock.seconds
        call.notes.append(f"{crash}, so the call was tried again on a new one")
        outcome = worker.call(call.parcel, call.given_up)
    if outcome.error:
        raise outcome.error
    seconds = lost + outcome.seconds
    held = seconds if is_gpu(worker.device) else 0.0
    return Timed(value=outcome.value, seconds=seconds, gpu_seconds=held, notes=(*call.notes, *outcome.notes))


def _network_of(function: Callable[..., object]) -> str:
    owner = getattr(function, "__self__", None)
    return key_of(owner) if isinstance(owner, Network) else ""
