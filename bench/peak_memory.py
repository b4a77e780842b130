"""The most memory that a block of code takes: on a GPU by torch's own count, on a CPU by looking at the process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import torch

GB = 1e9
LOOK_SECONDS = 0.005


class Memory:
    """Enter it before the memory is taken; `peak_gb` is what was taken at most, beyond what was held then."""

    def __init__(self, device: torch.device) -> None:
        self.peak_gb = 0.0
        self._device = device
        self._before = 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        import torch

        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device) / GB
        else:
            self._before = _resident_gb()
            self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        import torch

        if self._device.type == "cuda":
            self.peak_gb = torch.cuda.max_memory_allocated(self._device) / GB - self._before
        else:
            self._done.set()
            self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self.peak_gb = max(self.peak_gb, _resident_gb() - self._before)


def _resident_gb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024 / GB
    raise OSError("/proc/self/status names no VmRSS; expected Linux")
