"""The training loop, on a real tiny Wan-VACE and random items."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from ditto_models.command import CommandError
from ditto_models.gpu.editto_card import read_card
from ditto_models.train.recipe import Recipe
from ditto_models.train.step import TrainingFailed, learning_rate, places_of
from ditto_models.train.trainer import train
from tests.tiny_training import ItemsInMemory, pairs_in_buckets, tiny_recipe, tiny_transformer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]


def losses_of(recipe: Recipe, out: Path, items: ItemsInMemory | None = None) -> list[float]:
    history: list[float] = []
    train(
        recipe,
        tiny_transformer(),
        items or ItemsInMemory(),
        pairs_in_buckets(4),
        out,
        watch=lambda steps, result: history.append(result.loss),
    )
    return history


def test_the_loss_falls_on_few_pairs_and_what_trained_is_written(tmp_path: Path) -> None:
    history = losses_of(tiny_recipe(steps=30, optimizer={"learning_rate": 1e-2}), tmp_path)
    assert sum(history[-5:]) < 0.9 * sum(history[:5]), history
    card = read_card(tmp_path)
    assert (card.kind, card.steps, card.is_average, card.num_pairs) == ("linear", 30, True, 4)
    written = load_file(tmp_path / "editto.safetensors")
    before = tiny_transformer().state_dict()
    assert all(name.startswith("vace_blocks.") for name in written)
    assert all(not torch.equal(tensor, before[name]) for name, tensor in written.items())


def test_a_loss_that_is_not_finite_ends_the_training_and_names_the_pair(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"^step \d+: the loss of 'pair-2' is not finite"):
        losses_of(tiny_recipe(steps=8), tmp_path, ItemsInMemory(broken="pair-2"))
    assert not (tmp_path / "editto.json").exists()


def test_slices_are_dealt_to_processes_in_turn() -> None:
    assert places_of(0, 1, 4, 1) == [range(4)]
    assert [places_of(process, 2, 2, 2) for process in (0, 1)] == [
        [range(2), range(4, 6)],
        [range(2, 4), range(6, 8)],
    ]


def test_the_learning_rate_rises_and_stays() -> None:
    recipe = tiny_recipe(optimizer={"learning_rate": 1.0, "warmup_steps": 4})
    assert [learning_rate(recipe, number) for number in (0, 1, 3, 4, 90)] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_accelerate_is_not_to_spread_the_network_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(CommandError, match="accelerate is configured for FSDP; launch with --multi_gpu alone"):
        losses_of(tiny_recipe(steps=1), tmp_path)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_every_place_of_a_batch_belongs_to_one_process(processes: int, batch_size: int, accumulation: int) -> None:
    dealt = [places_of(process, processes, batch_size, accumulation) for process in range(processes)]
    every = [place for slices in dealt for places in slices for place in places]
    assert sorted(every) == list(range(processes * batch_size * accumulation))
    assert {len(slices) for slices in dealt} == {accumulation}
