"""What bench.train measures: arithmetic with its gradients, memory, and samples that the cache makes cheap."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.gpu_meter import backward_flops_of, flops_of
from bench.peak_memory import Memory
from bench.train import table
from bench.train_items import item_cost
from bench.train_steps import counted, step_cost
from ditto_models.train.recipe import load_recipe
from ditto_models.train.trainable import Linear

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]


def test_gradients_cost_a_product_for_each_factor_that_trains() -> None:
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    product = 2 * 3 * 5 * 7
    assert flops_of(lambda: left @ right) == product
    right.requires_grad_(True)
    assert backward_flops_of(lambda: (left @ right).sum()) == 2 * product
    left.requires_grad_(True)
    assert backward_flops_of(lambda: (left @ right).sum()) == 3 * product


def test_attention_and_its_gradients_are_counted_on_a_cpu_too() -> None:
    query, key, value = (torch.randn(1, 2, 8, 16, requires_grad=True) for _ in range(3))

    def attend() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(query, key, value).sum()

    forward = 2 * 2 * (2 * 8 * 8 * 16)
    assert flops_of(attend) == forward
    assert backward_flops_of(attend) == pytest.approx(3.5 * forward)  # 2 products forwards, 5 backwards


def test_memory_that_is_taken_is_seen() -> None:
    with Memory(torch.device("cpu")) as memory:
        taken = torch.zeros(100_000_000 // 4) + 1
        del taken
    assert 0.08 < memory.peak_gb < 0.3


def test_a_step_is_timed_beside_its_floor() -> None:
    cost = step_cost(load_recipe("tiny").model_copy(update={"trains": Linear()}), 1)
    assert cost.seconds is not None
    assert cost.floor_seconds is not None
    assert cost.floor_seconds > 0
    assert cost.ratio == cost.seconds / cost.floor_seconds
    assert 0 < cost.trained < cost.parameters
    assert "| linear, 0.06M of 0.23M | off |" in table([cost], None)


def test_the_arithmetic_of_real_shapes_is_counted_without_a_device() -> None:
    recipe = load_recipe("wan_vace_1_3b", ["optimizer.accumulation=1"])
    cost, of_sample = counted(recipe)
    assert 0.7e9 < cost.trained < 0.8e9 < 2.1e9 < cost.parameters
    assert 0.9e15 < of_sample < 1.3e15


def test_a_cached_sample_is_cheaper_than_one_that_is_encoded(tmp_path: Path) -> None:
    cost = item_cost(load_recipe("tiny"), tmp_path)
    assert 0 < cost.cached_seconds < cost.encoded_seconds
    assert cost.fill_seconds > 0
