"""Checkpoints of a training come back to the last bit, and whatever happens to one, the last good one stays."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from ditto_models.train.checkpoints import CheckpointError, TrainingState, latest, save
from ditto_models.train.random_base import save_random_base
from ditto_models.train.whole_file import save_tensors

pytestmark = pytest.mark.slow


def a_state(step: int, size: int = 5) -> TrainingState:
    generator = torch.Generator().manual_seed(step)
    weights = torch.randn((size, 4), generator=generator)
    return TrainingState(
        step=step,
        trained={"vace_blocks.0.proj_out.weight": weights, "vace_blocks.0.proj_out.bias": weights.bfloat16()[:, 0]},
        average={"vace_blocks.0.proj_out.weight": weights.t()},
        optimizer={
            "step": torch.tensor(float(step)),
            "rng": torch.arange(9, dtype=torch.uint8),
            "none": torch.empty(0),
        },
        numbers={"samples": step * 8, "seconds": 0.1 + 0.2, "recipe": "abc"},
    )


def assert_same(one: TrainingState | None, other: TrainingState) -> None:
    assert one is not None
    assert (one.step, one.numbers) == (other.step, other.numbers)
    for part in ("trained", "average", "optimizer"):
        mine, theirs = getattr(one, part), getattr(other, part)
        assert mine is theirs is None or mine.keys() == theirs.keys()
        for name in mine or {}:
            assert mine[name].dtype == theirs[name].dtype
            assert torch.equal(mine[name], theirs[name])


def test_a_checkpoint_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    assert latest(tmp_path / "none") is None
    state = a_state(7)
    assert save(tmp_path, state, keep=2) == tmp_path / "step-000007"
    assert_same(latest(tmp_path), state)
    bare = TrainingState(step=8, trained=state.trained, average=None, optimizer={}, numbers={})
    save(tmp_path, bare, keep=2)
    assert_same(latest(tmp_path), bare)


@settings(max_examples=30)
@given(number=st.floats() | st.integers() | st.text())
def test_numbers_come_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, number: float | int | str) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    save(folder, TrainingState(step=1, trained={}, average=None, optimizer={}, numbers={"it": number}), keep=1)
    state = latest(folder)
    assert state is not None
    it = state.numbers["it"]
    assert type(it) is type(number)
    assert it == number or (isinstance(number, float) and math.isnan(number))


def test_the_newest_stay_and_one_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save(tmp_path, a_state(step), keep=2)
    assert names(tmp_path) == ["step-000003", "step-000010"]
    other = a_state(10, size=6)
    save(tmp_path, other, keep=2)
    assert names(tmp_path) == ["step-000003", "step-000010"]
    assert_same(latest(tmp_path), other)


def test_after_a_return_to_an_earlier_step_the_later_ones_go(tmp_path: Path) -> None:
    for step in (10, 20):
        save(tmp_path, a_state(step), keep=3)
    save(tmp_path, a_state(15), keep=1)
    assert names(tmp_path) == ["step-000015"]


def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path: Path) -> None:
    for step in range(1, 6):
        save(tmp_path, a_state(step), keep=9)
    (tmp_path / "step-000002" / "state.json").unlink()
    torn = tmp_path / "step-000003" / "optimizer.safetensors"
    torn.write_bytes(torn.read_bytes()[:-10])
    turned = tmp_path / "step-000004" / "trained.safetensors"
    turned.write_bytes(turned.read_bytes()[:-1] + b"?")
    (tmp_path / "step-000005" / "state.json").write_text('{"step": 5, "numb')
    said: list[str] = []
    assert_same(latest(tmp_path, said.append), a_state(1))
    assert [f"step-00000{step}" in text for step, text in zip((5, 4, 3, 2), said, strict=True)] == [True] * 4
    assert "state.json is torn" in said[0]
    assert "trained.safetensors is not as it was written" in said[1]


def test_what_a_kill_left_is_not_read_and_goes(tmp_path: Path) -> None:
    save(tmp_path, a_state(1), keep=2)
    save(tmp_path, a_state(2), keep=2).rename(tmp_path / ".unfinished-step-000002")
    assert_same(latest(tmp_path), a_state(1))
    save(tmp_path, a_state(3), keep=2)
    assert names(tmp_path) == ["step-000001", "step-000003"]


def test_a_kill_while_one_is_replaced_loses_neither(tmp_path: Path) -> None:
    save(tmp_path, a_state(4), keep=1).rename(tmp_path / ".replaced-step-000004")
    assert_same(latest(tmp_path), a_state(4))
    other = a_state(4, size=6)
    save(tmp_path, other, keep=1)
    assert names(tmp_path) == ["step-000004"]
    assert_same(latest(tmp_path), other)


def test_a_full_disk_leaves_the_last_good_checkpoint_and_no_litter(small_disk: Path) -> None:
    save(small_disk, a_state(1), keep=1)
    with pytest.raises(CheckpointError, match=r"step 2 could not be saved .* the last one is of step 1; make room"):
        save(small_disk, a_state(2, size=400_000), keep=1)
    assert names(small_disk) == ["step-000001"]
    assert_same(latest(small_disk), a_state(1))
    save(small_disk, a_state(3), keep=1)
    assert names(small_disk) == ["step-000003"]


def test_a_full_disk_leaves_the_result_of_before(small_disk: Path) -> None:
    path = small_disk / "editto.safetensors"
    save_tensors(path, {"a": torch.ones(9)}, {"format": "pt"})
    with pytest.raises(OSError, match="No space left on device"):
        save_tensors(path, {"a": torch.ones(9_000_000)}, {"format": "pt"})
    assert names(small_disk) == [path.name]
    assert torch.equal(load_file(path)["a"], torch.ones(9))


@pytest.mark.parametrize("mask", [0o022, 0o007, 0o077])
def test_others_may_read_what_was_trained_as_they_may_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        save_tensors(tmp_path / "editto.safetensors", {"a": torch.ones(9)}, {"format": "pt"})
        save(tmp_path / "checkpoints", a_state(1), keep=1)
        save_random_base(tmp_path / "base", "tiny")
    finally:
        os.umask(before)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"editto.safetensors", "optimizer.safetensors", "model.safetensors"}
    assert {path.stat().st_mode & 0o777 for path in written} == {0o666 & ~mask}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
