"""What all networks of this folder share: loaded on first use, kept warm, eased when memory is short, sent by config.

A network travels to a worker process as its class and Config and stays loaded there (`warmed`); its weights never
travel. This file imports no torch, so that a profile can be built without it.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakSet

from pydantic import BaseModel

from ditto_models.executors.devices import cuda_is_in_use
from ditto_models.executors.of_call import CallCancelled, note, stop_if_cancelled
from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.gpu.memory import Descent, descending, empty_cache, is_out_of_memory
from ditto_models.gpu.parking import Parked, bring_back, can_load, on_gpu, park
from ditto_models.gpu.quiet import say_errors_only

if TYPE_CHECKING:
    import torch

C = TypeVar("C", bound=BaseModel)
L = TypeVar("L")
T = TypeVar("T")


class OutOfMemory(RuntimeError):
    """The GPU's memory does not hold this call, however much the network is eased; the worker goes on."""


class DoesNotFit(CannotLoad, OutOfMemory):
    """It did not even hold the weights, and never has in this process."""


class Network(ABC, Generic[C, L]):
    """A network by its Config `C`; `L` is what is loaded, for example a diffusers pipeline.

    A subclass gives `name`, `load`, and its protocol's method, which calls `with_loaded`. One call at a time.
    """

    name: str
    """Of the weights, as a sample's record has it."""

    def __init__(self, config: C) -> None:
        self.config = config
        self._loaded: L | None = None
        self._parked: Parked = ()
        self._wants_room = False
        self._has_loaded = False
        self._lock = threading.RLock()
        self._calls = 0
        self._descent = Descent()
        with _registry:
            _networks.add(self)  # type: ignore[arg-type]

    @abstractmethod
    def load(self) -> L:
        """Read the weights and put them in place."""
        ...

    def ease(self, loaded: L) -> str:
        """Trade speed for memory by one step; says what was done, or nothing where there is no step left."""
        return ""

    def resident(self, loaded: L) -> tuple[torch.nn.Module, ...] | None:
        """What lies on the GPU between calls and may wait elsewhere; None where only reading it again is known of."""
        return None

    def with_loaded(self, call: Callable[[L], T]) -> T:
        """What `call` returns for the loaded network; what it was eased to stays so for later calls.

        Raises:
            CannotLoad: it cannot be loaded, which is not the call's doing.
            OutOfMemory: nothing is left to ease. The network is unloaded; the next call loads it again.
            CallCancelled: nobody waits for it any more.
        """
        with self._lock:
            self._calls += 1
            try:
                return self._eased_until_it_fits(call)
            finally:
                self._calls -= 1

    def _eased_until_it_fits(self, call: Callable[[L], T]) -> T:
        self._ask_for_room()
        while True:
            stop_if_cancelled()
            try:
                return call(self._ready())
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                said = (str(error).splitlines() or [type(error).__name__])[0]
            # Outside of the handler: the traceback would hold on to the tensors of the failed call.
            eased = self._ease()
            if not eased:
                self._drop()
                empty_cache()
                kind = OutOfMemory if self._has_loaded else DoesNotFit
                raise kind(f"{self.name} ran out of memory with nothing left to ease: {said}")
            note(f"{self.name}: out of memory, {eased}")

    def _ask_for_room(self) -> None:
        """Of a network that ran out of memory beside others: the next time it may do so at its last step."""
        if self._wants_room and (made := self._room_made(drops=False)):
            empty_cache()
            note(f"{self.name}: needed the room before, {made}")

    def _room_made(self, drops: bool = True) -> str:
        others = (other for other in all_networks() if other is not self)
        return ", ".join(said for other in others if (said := other._make_room_if_idle(drops=drops)))

    def _ready(self) -> L:
        if self._loaded is None:
            _make_ram(self)
            with descending(self._descent):
                self._loaded = self._read()
            self._has_loaded = True
        bring_back(self._parked)
        self._parked = ()
        return self._loaded

    def _read(self) -> L:
        """Whatever goes wrong while nothing of a sample is looked at yet would go wrong for the next sample too."""
        say_errors_only()
        try:
            return self.load()
        except Exception as error:
            if is_out_of_memory(error) or isinstance(error, CannotLoad | CallCancelled | OutOfMemory):
                raise
            raise CannotLoad(f"{self.name!r} cannot be loaded: {_first_line(error)}") from error

    def _drop(self) -> None:
        self._loaded, self._parked = None, ()

    def unload(self) -> None:
        """Free the weights; the next call loads them again."""
        with self._lock:
            self._drop()
        empty_cache()

    @property
    def is_loaded(self) -> bool:
        """Whether its weights are in memory."""
        return self._loaded is not None

    def _ease(self) -> str:
        """The next step: room from idle networks first, since it costs the least."""
        made = self._room_made()
        empty_cache()
        if made:
            self._wants_room = True
            return made
        if self._loaded is None:
            return self._descent.step()
        eased = self.ease(self._loaded)
        if eased:
            self._descent.steps += 1
            left = self.resident(self._loaded) or ()
            self._parked = tuple(one for one in self._parked if one[0] in left)
        return eased

    def _make_room_if_idle(self, parks: bool = True, drops: bool = True) -> str:
        """Free its GPU memory; says how. Nothing where it has none, or is at work.

        Never waits: two networks that want each other's memory at once would wait for ever.
        """
        if not self._lock.acquire(blocking=False):
            return ""
        try:
            if self._calls or self._loaded is None:
                return ""
            held = self.resident(self._loaded) if parks and cuda_is_in_use() else None
            away = on_gpu(held) if held is not None else ()
            if held is not None and not away:
                return ""
            if away and _is_parked(away):
                self._parked += away
                return f"moved {self.name} to the computer's memory"
            if not drops:
                return ""
            self._drop()
            return f"unloaded {self.name}"
        finally:
            self._lock.release()

    def __reduce__(self) -> tuple[object, ...]:
        return warmed, (type(self), self.config)


def _is_parked(away: Parked) -> bool:
    try:
        return park(away)
    except RuntimeError:
        return False  # of memory, or since a compiled graph holds on to its weights: they are read again


def _make_ram(loading: Network[C, L]) -> None:
    """Before weights are read: networks that wait in the computer's memory make room there."""
    for other in all_networks():
        if other is loading or not other._parked or can_load():
            continue
        if said := other._make_room_if_idle(parks=False):
            empty_cache()
            note(f"{loading.name}: too little of the computer's memory to be read beside it, {said}")


def _first_line(error: Exception) -> str:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {said}"


_registry = threading.Lock()
_networks: WeakSet[Network[BaseModel, object]] = WeakSet()
_warm: dict[tuple[type, str], Network[BaseModel, object]] = {}


def all_networks() -> list[Network[BaseModel, object]]:
    """Every network of this process, loaded or not."""
    with _registry:
        return list(_networks)


def warmed(kind: type[Network[C, L]], config: C) -> Network[C, L]:
    """This process's network of a class and Config."""
    key = kind, config.model_dump_json()
    found = _warm.get(key)
    if found is None:
        found = _warm.setdefault(key, kind(config))  # type: ignore[arg-type]
    return found  # type: ignore[return-value]


def key_of(network: Network[C, L]) -> str:
    """The same for networks of one class and Config, in every process."""
    return f"{type(network).__module__}.{type(network).__qualname__} {network.config.model_dump_json()}"


def loaded_keys() -> frozenset[str]:
    """Of this process's networks those whose weights are in memory."""
    return frozenset(key_of(network) for network in _warm.values() if network.is_loaded)


def unload_all() -> None:
    """Free every network of this process, each once its call is over."""
    for network in all_networks():
        network.unload()
