"""Two real processes learn what one with twice the batch learns, whole networks on each or shares of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ditto_models.train.log_lines import read_log
from ditto_models.train.random_base import save_random_base
from tests.tiny_training import tiny_recipe
from tests.training_processes import carry_out, run_together

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
TRAINS: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear"},
    "branch": {"kind": "branch"},  # with weights that are in no block
    "lora": {"kind": "lora", "rank": 4, "alpha": 8},
}


def recipe_of(
    trains: str, sharding: str, batch_size: int, steps: int = 4, accumulation: int = 2, **more: Any
) -> dict[str, Any]:
    return tiny_recipe(
        steps=steps,
        trains=TRAINS[trains],
        sharding=sharding,
        optimizer={"batch_size": batch_size, "accumulation": accumulation},
        # Both kinds of sample in most batches, and batches with one kind on a process only.
        curriculum={"key_frame": {"schedule": "off", "start": 0.5}},
        gradient_checkpointing=True,
        saving={"every_steps": 2},
        validation={"every_steps": 2},
        logging={"every_steps": 1, "tensorboard": False},
        **more,
    ).model_dump(mode="json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all trainings here: OUT is named after processes, what trains and how it is spread."""
    folder = tmp_path_factory.mktemp("trainings")

    def job(name: str, recipe: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"out": str(folder / name), "recipe": recipe, **more}

    one = [job(f"1 {trains}", recipe_of(trains, "none", 2)) for trains in TRAINS]
    one.append(job("1 skipping", recipe_of("linear", "none", 2), unusable=["pair-2"]))
    two = [job(f"2 {trains} {how}", recipe_of(trains, how, 1)) for trains in TRAINS for how in ("none", "fsdp2")]
    two.append(job("2 skipping", recipe_of("linear", "none", 1), unusable=["pair-2"]))
    two += [job("2 resumed", recipe_of("linear", "fsdp2", 1, steps=steps)) for steps in (2, 4)]
    base = save_random_base(folder / "base", "tiny")
    for count, jobs, hows in ((1, one, ("none",)), (2, two, ("none", "fsdp2"))):
        for trains in ("branch", "lora"):
            for how in hows:
                recipe = recipe_of(trains, how, 1, precision="bf16", accumulation=4 // count)
                jobs.append(job(f"{count} bf16 {trains} {how}", recipe, base=str(base)))
    carry_out(one)
    run_together(2, two, folder / "two")
    return folder


def losses_of(out: Path) -> list[float]:
    return list(json.loads((out / "losses.json").read_text()))


def weights_of(out: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(out / "editto.safetensors"))


@pytest.mark.parametrize("trains", TRAINS)
@pytest.mark.parametrize("how", ["none", "fsdp2"])
def test_two_processes_learn_what_one_with_twice_the_batch_learns(folder: Path, trains: str, how: str) -> None:
    one, two = folder / f"1 {trains}", folder / f"2 {trains} {how}"
    assert losses_of(two) == pytest.approx(losses_of(one), rel=1e-5)
    alone, together = weights_of(one), weights_of(two)
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        # Adam takes a step of 1e-3 by a gradient however small: rounding moves a weight by a part of it.
        assert torch.allclose(tensor, together[name], rtol=1e-3, atol=5e-5), name
    validated = [
        [line.validation_loss for line in read_log(out) if line.validation_loss is not None] for out in (one, two)
    ]
    assert len(validated[0]) == 2
    assert validated[1] == pytest.approx(validated[0], rel=1e-5)


@pytest.mark.parametrize("trains", ["branch", "lora"])
@pytest.mark.parametrize("how", ["none", "fsdp2"])
def test_in_bfloat16_two_processes_compute_what_one_does_with_the_base_on_disk(
    folder: Path, how: str, trains: str
) -> None:
    """Of a base that under fsdp2 only one of them has read."""
    alone, together = (losses_of(folder / name) for name in (f"1 bf16 {trains} none", f"2 bf16 {trains} {how}"))
    assert together[0] == pytest.approx(alone[0], rel=1e-6), "but for the order that losses are summed in"
    assert together == pytest.approx(alone, rel=1e-3)


def test_both_skip_a_pair_that_one_of_them_cannot_read(folder: Path) -> None:
    one, two = folder / "1 skipping", folder / "2 skipping"
    assert losses_of(two) == pytest.approx(losses_of(one), rel=1e-5)
    assert losses_of(two) != pytest.approx(losses_of(folder / "1 linear"), rel=1e-5)
    skipped = [(out / "skipped.jsonl").read_text().splitlines() for out in (one, two)]
    assert [[json.loads(line)["pair"] for line in lines] for lines in skipped] == [["pair-2"], ["pair-2"]]


def test_shares_of_a_network_go_on_from_a_checkpoint(folder: Path) -> None:
    whole, resumed = folder / "2 linear fsdp2", folder / "2 resumed"
    assert losses_of(resumed) == losses_of(whole)[2:]
    assert all(torch.equal(tensor, weights_of(resumed)[name]) for name, tensor in weights_of(whole).items())
