"""Measures calls on a device: seconds, peak memory, and how far they are from what the arithmetic alone would take.

The floor of a call is its floating-point operations (matrix products, convolutions, attention; a product and a sum
count two) over the rate of a large bf16 matrix product, measured in the same run.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ditto_models.executors.of_call import call_scope

if TYPE_CHECKING:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

MOST_SECONDS = 20.0
"""That a call is repeated for, at most twice."""
GB = 1e9
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a row is measured of."""

    name: str
    size: str
    how: str
    """Precision, and whether it was compiled."""
    run: Callable[[], object]
    flops: float
    is_warm: bool = False
    """Whether calls before it have compiled all of it; otherwise it is called once unmeasured."""
    multiples: Mapping[str, int] = field(default_factory=dict)
    """Rows that are so many times this one, by name: they are extrapolated, and say so."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; None is what was not or cannot be measured."""

    name: str
    size: str
    how: str
    seconds: float | None = None
    """Median."""
    peak_gb: float | None = None
    petaflop: float | None = None
    floor_seconds: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Seconds over the floor's."""
        return self.seconds / self.floor_seconds if self.seconds and self.floor_seconds else None


class Meter:
    """Measures on one device."""

    def __init__(self, device: torch.device, rate: float, most_seconds: float = MOST_SECONDS) -> None:
        self.device = device
        self.rate = rate
        """Floating-point operations a second of the floor."""
        self._most_seconds = most_seconds

    def rows(self, call: Call) -> list[Row]:
        """Measure a call; one that fails is a row that says so."""
        try:
            row = self._measured(call)
        except Exception as error:  # noqa: BLE001 - what fails is a row, and the others are measured
            return [failed(call.name, call.size, call.how, error)]
        return [row, *(_extrapolated(row, name, times) for name, times in call.multiples.items())]

    def _measured(self, call: Call) -> Row:
        self.forget()
        with call_scope() as notes:
            if not call.is_warm:
                self._timed(call.run)
            seconds = [self._timed(call.run)]
            while len(seconds) < 3 and sum(seconds) < self._most_seconds:
                seconds.append(self._timed(call.run))
        return Row(
            name=call.name,
            size=call.size,
            how=call.how,
            seconds=sorted(seconds)[len(seconds) // 2],
            peak_gb=self._peak(),
            petaflop=call.flops / 1e15,
            floor_seconds=call.flops / self.rate,
            note="; ".join(dict.fromkeys(notes)),
        )

    def forget(self) -> None:
        """Give back what nothing holds any more, and measure the peak from here on."""
        import torch

        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def _timed(self, call: Callable[[], object]) -> float:
        import torch

        began = time.perf_counter()
        with torch.no_grad():
            call()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - began

    def _peak(self) -> float | None:
        import torch

        return torch.cuda.max_memory_allocated(self.device) / GB if self.device.type == "cuda" else None


def failed(name: str, size: str, how: str, error: Exception) -> Row:
    """The row of what could not be measured."""
    said = (str(error).splitlines() or [""])[0]
    return Row(name=name, size=size, how=how, note=f"FAILED, {type(error).__name__}: {said}")


def _extrapolated(row: Row, name: str, times: int) -> Row:
    def all_of(one: float | None) -> float | None:
        return None if one is None else one * times

    return replace(
        row,
        name=name,
        seconds=all_of(row.seconds),
        petaflop=all_of(row.petaflop),
        floor_seconds=all_of(row.floor_seconds),
        note=f"EXTRAPOLATED: {times} times {row.name}",
    )


def matrix_rate(device: torch.device, sides: tuple[int, ...], dtype: torch.dtype | None = None) -> float:
    """Floating-point operations a second of the best of square matrix products, in bf16 unless said."""
    import torch

    return max(_rate_of(torch.randn(side, side, device=device).to(dtype or torch.bfloat16)) for side in sides)


def _rate_of(matrix: torch.Tensor) -> float:
    import torch

    def products(times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            torch.mm(matrix, matrix)
        if matrix.is_cuda:
            torch.cuda.synchronize(matrix.device)
        return time.perf_counter() - began

    products(3)
    return float(10 * 2 * matrix.shape[0] ** 3 / min(products(10) for _ in range(3)))


def flops_of(call: Callable[[], object]) -> float:
    """Floating-point operations of a call; on the meta device it counts without computing."""
    import torch

    with torch.no_grad(), _counter() as counter:
        call()
    return float(counter.get_total_flops())


def backward_flops_of(loss: Callable[[], torch.Tensor]) -> float:
    """Floating-point operations of a loss and of its gradients, likewise."""
    with _counter() as counter:
        loss().backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops())


def _counter() -> FlopCounterMode:
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    def attention(query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
        return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]

    def gradients(gradient: Shape, query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
        return int(sdpa_backward_flop_count(gradient, query, key, value))  # type: ignore[no-untyped-call]

    # torch counts the attention kernels of GPUs, and passes over those of CPUs without a word.
    of_cpu = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: gradients,
    }
    return FlopCounterMode(display=False, custom_mapping=of_cpu)
