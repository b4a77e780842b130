"""What all networks of this folder share: loaded on first use, kept warm, eased when memory is short, sent by config.

A network travels to a worker process as its class and Config and stays loaded there (`warmed`); its weights never
travel. This file imports no torch, so that a profile can be built without it.
"""

from __future__ import annotations

import gc
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import BaseModel

from ditto_models.executors.of_call import note, stop_if_cancelled

C = TypeVar("C", bound=BaseModel)
L = TypeVar("L")
T = TypeVar("T")


class OutOfMemory(RuntimeError):
    """The GPU's memory does not hold this call, however much the network is eased; the worker goes on."""


class Network(ABC, Generic[C, L]):
    """A network by its Config `C`; `L` is what is loaded, for example a diffusers pipeline.

    A subclass gives `name`, `load`, and its protocol's method, which calls `with_loaded`. One call at a time.
    """

    name: str
    """Of the weights, as a sample's record has it."""

    def __init__(self, config: C) -> None:
        self.config = config
        self._loaded: L | None = None
        self._lock = threading.RLock()

    @abstractmethod
    def load(self) -> L:
        """Read the weights and put them in place."""
        ...

    def ease(self, loaded: L) -> str:
        """Trade speed for memory by one step; says what was done, or nothing where there is no step left."""
        return ""

    def with_loaded(self, call: Callable[[L], T]) -> T:
        """What `call` returns for the loaded network.

        Raises:
            OutOfMemory: nothing is left to ease.
            CallCancelled: nobody waits for it any more.
        """
        stop_if_cancelled()
        with self._lock:
            while True:
                try:
                    if self._loaded is None:
                        self._loaded = self.load()
                    return call(self._loaded)
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    short = str(error).splitlines()[0]
                # Outside of the handler: the traceback would hold on to the tensors of the failed call.
                eased = self._ease()
                if not eased:
                    raise OutOfMemory(f"{self.name} ran out of GPU memory with nothing left to ease: {short}")
                note(f"{self.name}: out of memory, {eased}")

    def unload(self) -> None:
        """Free the weights; the next call loads them again."""
        with self._lock:
            self._loaded = None
        _empty_cache()

    @property
    def is_loaded(self) -> bool:
        """Whether its weights are in memory."""
        return self._loaded is not None

    def _ease(self) -> str:
        """The next step: room from other networks first, since it costs the least."""
        freed = [other for other in _warm.values() if other is not self and other.is_loaded]
        for other in freed:
            other.unload()
        _empty_cache()
        if freed:
            return f"unloaded {', '.join(other.name for other in freed)}"
        return self.ease(self._loaded) if self._loaded is not None else ""

    def __reduce__(self) -> tuple[object, ...]:
        return warmed, (type(self), self.config)


_warm: dict[tuple[type, str], Network[BaseModel, object]] = {}


def warmed(kind: type[Network[C, L]], config: C) -> Network[C, L]:
    """This process's network of a class and Config."""
    key = kind, config.model_dump_json()
    if key not in _warm:
        _warm[key] = kind(config)  # type: ignore[assignment]
    return _warm[key]  # type: ignore[return-value]


def unload_all() -> None:
    """Free every network of this process."""
    for network in _warm.values():
        network.unload()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory is used up, in any of the ways that torch has for it."""
    return type(error).__name__ in ("OutOfMemoryError", "AcceleratorError") and "out of memory" in str(error).lower()


def _empty_cache() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
