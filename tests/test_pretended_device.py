"""Steps of the trainer on a device that is not there: nothing of the CPU meets it, and it is waited for once a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError

from bench.pretended_device import HeldMemory, PretendedProcesses, pretended_tensors
from bench.train import memory_table, reckon
from bench.train_memory import reckoned
from ditto_models.train.recipe import Recipe
from tests.tiny_training import tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
DEVICE = torch.device("meta")


def recipe_of(**more: Any) -> Recipe:
    return tiny_recipe(precision="bf16", **more)


def test_a_pretended_device_refuses_what_a_gpu_would_and_is_not_read_by_accident() -> None:
    with pretended_tensors():
        there = torch.ones(3, device=DEVICE)
        with pytest.raises(FakeTensorDeviceMismatchError, match="meta and cpu"):
            there + torch.ones(3)
        with pytest.raises(DataDependentOutputException):
            there.sum().item()


def test_memory_is_counted_while_a_tensor_lives() -> None:
    with pretended_tensors(), HeldMemory() as memory:
        kept = torch.empty(1000, device=DEVICE)
        also = torch.empty(10**6, dtype=torch.bfloat16, device=DEVICE)
        view = also[5:]
        del also
        assert memory.now["meta"] == 4096 + 2_000_384, "in blocks of 512 bytes"
        del view
        assert memory.now["meta"] == 4096
        assert memory.peak["meta"] == 4096 + 2_000_384
        assert memory.now["cpu"] == 0
        del kept


@pytest.mark.parametrize(("trains", "checkpointing"), [("linear", False), ("branch", True), ("lora", True)])
def test_a_step_meets_nothing_of_the_cpu_and_waits_once(
    trains: str, checkpointing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    plain = PretendedProcesses.read

    def read(self: PretendedProcesses, tensors: Iterable[torch.Tensor]) -> list[float]:
        waits.append(1)
        return plain(self, tensors)

    monkeypatch.setattr(PretendedProcesses, "read", read)
    found = reckoned(
        recipe_of(
            trains={"kind": trains},
            gradient_checkpointing=checkpointing,
            optimizer={"batch_size": 1, "accumulation": 2},
        )
    )
    assert len(waits) == 2, "once for each step, whatever its passes"
    assert 0 < found.held_gb < found.peak_gb


def test_a_share_of_a_network_takes_its_share_of_memory_and_checkpointing_saves_some() -> None:
    recipe = recipe_of(trains={"kind": "branch"}, sharding="fsdp2", optimizer={"batch_size": 1})
    alone, shared = reckoned(recipe), reckoned(recipe, 4)
    assert shared.held_gb < 0.5 * alone.held_gb, "single numbers and tables of positions are not spread"
    off, on = reckon(recipe, 1)
    assert off == alone
    assert off.held_gb == on.held_gb
    assert on.peak_gb < off.peak_gb
    assert f"| off | {recipe.data.buckets[0]} | 4 | 0.00 | " in memory_table([shared])
