"""Devices of worker processes, and what a process must have in its environment to see its own one alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

Device = Annotated[str, Field(pattern=r"^(cpu|cuda:\d+)$")]
"""For example cuda:0 or cpu."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
ALLOCATOR = "PYTORCH_ALLOC_CONF"
ALLOCATORS = (ALLOCATOR, "PYTORCH_CUDA_ALLOC_CONF")
"""torch's settings of its allocator, by the new name and the old."""
GROWS = "expandable_segments:True,pinned_max_round_threshold_mb:1"
"""Segments that grow: networks that come and go leave holes, in which tensors of gigabytes would find no place though
the memory is there. Locked memory, from which weights are streamed, as large as they are: by itself torch rounds each
tensor up to a power of two, 51 GB for the 35 of Wan-VACE 14B."""


class NoDevice(RuntimeError):
    """A device that is asked for is not there, or does not answer; the message says what to do."""


def devices_of(devices: Literal["auto"] | Sequence[Device]) -> tuple[Device, ...]:
    """The devices as they are; auto is every CUDA device that this process sees.

    Raises:
        NoDevice: there is none, or one that is named is not there.
    """
    if devices != "auto" and not any(map(is_gpu, devices)):
        return tuple(devices)
    seen = tuple(f"cuda:{number}" for number in range(num_gpus()))
    wanted = seen if devices == "auto" else tuple(devices)
    if missing := [device for device in wanted if is_gpu(device) and device not in seen]:
        raise NoDevice(f"{', '.join(missing)} asked for, yet CUDA sees {', '.join(seen) or 'no device'}")
    if not wanted:
        raise NoDevice(
            "auto asked for, yet CUDA sees no device; run where nvidia-smi lists one (with a torch built for its "
            "driver), or name devices, for example [cpu]"
        )
    return wanted


def is_gpu(device: Device) -> bool:
    """Whether time on it is GPU time."""
    return device != "cpu"


def num_gpus() -> int:
    """How many CUDA devices this process sees."""
    import torch

    return int(torch.cuda.device_count())


def cuda_is_in_use() -> bool:
    """Whether this process holds a GPU; to ask does not load torch."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def environment(device: Device, workers: int) -> dict[str, str]:
    """What makes a process see its own device alone, as cuda:0, and leave the other workers their share of cores.

    Memory is handed out as `GROWS` says, unless the user said otherwise. All of it counts where it is set before CUDA
    and the libraries of threads begin.
    """
    visible = os.environ.get(VISIBLE)
    number = int(device.partition(":")[2] or 0)
    own = visible.split(",")[number].strip() if visible else str(number)
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    limits = {"OMP_NUM_THREADS": str(threads)} if "OMP_NUM_THREADS" not in os.environ else {}
    if is_gpu(device) and not any(name in os.environ for name in ALLOCATORS):
        limits[ALLOCATOR] = GROWS
    return {VISIBLE: own if is_gpu(device) else ""} | limits


def check_own(device: Device) -> None:
    """Make sure, in a worker, that it has its GPU: a network would take the CPU without a word.

    Raises:
        NoDevice: it has none.
    """
    if is_gpu(device) and not num_gpus():
        raise NoDevice(f"{device} does not answer any more; see what nvidia-smi says of it")
