"""A training step on a device that is not there: what a GPU would refuse, where it would be waited for, what it holds.

Tensors are torch's fake ones: they have shapes, types and a device, and no numbers. The device is torch's `meta`, since
without CUDA no gradient can be taken of fake tensors of `cuda`: the CPU's tensors are refused beside it, and so is
reading a number. Attention is the kernel that a GPU takes, which keeps less for the backward pass than its arithmetic.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Self
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.distributed import device_mesh
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from ditto_models.train.flow_matching import Draw
from ditto_models.train.processes import Processes

_BLOCK = 512
"""Bytes that a GPU's memory is given out by."""


class PretendedProcesses(Processes):
    """The first of so many processes; nothing that is read of the device is a real number."""

    def __init__(self, device: torch.device, count: int = 1) -> None:
        self.device = device
        self.number, self.count, self.is_main = 0, count, True
        self.one_by_one = count > 1

    def spread(self, network: Any) -> Any:
        """It is on the device already."""
        if self.one_by_one:
            self._shard(network)
        return network

    def passing(self, network: Any, last: bool) -> AbstractContextManager[None]:
        """There is nobody to share with."""
        return nullcontext()

    def clipped(self, parameters: Iterable[torch.nn.Parameter], longest: float) -> torch.Tensor:
        """Of a length of 1."""
        super().clipped(parameters, longest)
        return torch.ones((), device=self.device)

    def read(self, tensors: Iterable[torch.Tensor]) -> list[float]:
        """Ones."""
        return [1.0] * sum(each.numel() for each in tensors)

    def summed(self, numbers: Iterable[float]) -> list[float]:
        """As if the others had nothing."""
        return list(numbers)


@contextmanager
def pretended_tensors() -> Iterator[None]:
    """In which all tensors that are made have no numbers."""
    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        for name, stands_in in _STAND_INS.items():
            stack.enter_context(patch(name, stands_in))
        yield


class HeldMemory(TorchDispatchMode):
    """Bytes of all tensors there are, by type of device; they count from when they are first seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak: Counter[str] = Counter()
        self.now: Counter[str] = Counter()
        self._sizes: Any = WeakIdKeyDictionary()

    def __enter__(self) -> Self:
        """From here on."""
        resize = torch.UntypedStorage.resize_

        def resized(storage: torch.UntypedStorage, size: int) -> None:
            resize(storage, size)
            if storage in self._sizes:
                self._count(storage, self._sizes[storage][1])

        self._patch = patch.object(torch.UntypedStorage, "resize_", resized)  # FSDP2 frees what it gathered by it
        self._patch.start()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """No longer."""
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._patch.stop()

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        """An operation, and what it made."""
        made = function(*arguments, **(named or {}))
        tree_map_only(torch.Tensor, self.see, made)
        return made

    def forget_peak(self) -> None:
        """The peak counts from here on."""
        self.peak = self.now.copy()

    def see(self, tensor: torch.Tensor) -> None:
        """Count a tensor, once."""
        own = tensor._local_tensor if isinstance(tensor, DTensor) else tensor
        self._count(own.untyped_storage(), own.device.type)

    def _count(self, storage: torch.UntypedStorage, device: str) -> None:
        if storage not in self._sizes:
            self._sizes[storage] = [0, device]
            weakref.finalize(storage, self._forget, self._sizes[storage])
        entry = self._sizes[storage]
        size = -(-storage.nbytes() // _BLOCK) * _BLOCK
        self.now[device] += size - entry[0]
        entry[0] = size
        self.peak[device] = max(self.peak[device], self.now[device])

    def _forget(self, entry: list[Any]) -> None:
        self.now[entry[1]] -= entry[0]


def _draw(config: object, seed: int, step: int, place: int, like_CTHW: torch.Tensor) -> Draw:
    channels, frames, height, width = like_CTHW.shape
    return Draw(sigma=0.5, noise_CTHW=torch.empty(channels, frames + 1, height, width))


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: None = None, **_: object
) -> torch.Tensor:
    made: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]
    return made


def _swap(tensor: torch.Tensor, other: torch.Tensor) -> None:
    tensor.data = other.data


def _mesh(kind: str, shape: tuple[int, ...]) -> DeviceMesh:
    with unset_fake_temporarily():
        return _INIT_MESH(kind, shape)


_INIT_MESH = device_mesh.init_device_mesh
_STAND_INS = {
    "torch.distributed.device_mesh.init_device_mesh": _mesh,
    "ditto_models.train.step.draw": _draw,
    "torch.nn.functional.scaled_dot_product_attention": _attention,
    "torch.utils.swap_tensors": _swap,  # Module.to of fake parameters, which torch refuses where they are looked at
}
