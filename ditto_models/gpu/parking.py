"""Networks wait in the computer's memory while another needs the GPU: moved in seconds, read again in minutes.

Of a sample the editor (41 GB on the GPU), the generator (35) and the enhancer (29) take turns, and one card of 80 GB
does not hold them all. To read them again means 70 GB of float32 from a disk for the generator alone, and its LoRAs to
be fused again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ditto_models.gpu.machine import available_ram_bytes, total_ram_bytes

if TYPE_CHECKING:
    import torch

SPARE_BYTES = 8_000_000_000
"""Of the computer's memory, that is left to everything else."""
LOAD_BYTES = 60_000_000_000
"""That are wanted free before weights are read, or half of a smaller machine's memory: what the largest pipeline takes,
Qwen-Image-Edit."""

Parked = tuple[tuple["torch.nn.Module", "torch.device"], ...]
"""Modules, and the device that each came from."""


def on_gpu(modules: Iterable[torch.nn.Module]) -> Parked:
    """Those that are on a GPU, and where."""
    found = ((module, _device(module)) for module in modules)
    return tuple((module, device) for module, device in found if device.type != "cpu")


def park(parked: Parked) -> bool:
    """Move modules to the computer's memory; False, and nothing is moved, where there is too little of it."""
    size = sum(tensor.nbytes for module, _ in parked for tensor in (*module.parameters(), *module.buffers()))
    if not has_ram(size + SPARE_BYTES):
        return False
    for module, _ in parked:
        module.to("cpu")
    return True


def bring_back(parked: Parked) -> None:
    """Move modules to where they came from; may be called again where memory ran out midway."""
    for module, device in parked:
        module.to(device)


def can_load() -> bool:
    """Whether a network's weights may be read without fear for the computer's memory."""
    return has_ram(min(LOAD_BYTES, (total_ram_bytes() or 0) // 2))


def has_ram(size: int) -> bool:
    """Whether so many bytes of the computer's memory are free; not where the system does not say."""
    free = available_ram_bytes()
    return free is not None and free >= size


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device
