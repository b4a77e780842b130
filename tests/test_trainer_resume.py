"""A training that stops goes on as if it had not: by a signal, a full disk, or kill -9."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ditto_models.command import CommandError
from ditto_models.train.checkpoints import CheckpointError
from ditto_models.train.log_lines import read_log
from ditto_models.train.recipe import Recipe
from ditto_models.train.step import StepResult, TrainingFailed
from ditto_models.train.trainer import Outcome, train
from tests.tiny_training import ItemsInMemory, pairs_in_buckets, tiny_recipe, tiny_transformer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
RECIPE = tiny_recipe(
    steps=8,
    optimizer={"batch_size": 1, "warmup_steps": 3},
    curriculum={"key_frame": {"hold_steps": 2, "anneal_steps": 4}},
    saving={"every_steps": 3},
    validation={"every_steps": 4},
    logging={"every_steps": 1, "tensorboard": False},
)


class Session:
    """One run of the trainer, until it is done or interrupted."""

    def __init__(self, out: Path, recipe: Recipe = RECIPE, stop_at: int = 0, **items: Any) -> None:
        self.losses: list[float] = []
        self._stop_at = stop_at
        every = pairs_in_buckets(6)
        self.outcome: Outcome = train(
            recipe, tiny_transformer(), ItemsInMemory(**items), every[:4], out, validation=every[4:], watch=self._watch
        )

    def _watch(self, steps: int, result: StepResult) -> None:
        self.losses.append(result.loss)
        if steps == self._stop_at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, quick_torch: None) -> tuple[Path, list[float]]:
    """A training that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    return out, Session(out).losses


def same_weights(one: Path, other: Path) -> bool:
    weights = [load_file(folder / "editto.safetensors") for folder in (one, other)]
    return weights[0].keys() == weights[1].keys() and all(
        torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items()
    )


@pytest.mark.parametrize("stop_at", [1, 5])
def test_ctrl_c_saves_and_the_same_command_goes_on_bit_for_bit(
    whole: tuple[Path, list[float]], tmp_path: Path, stop_at: int, capfd: pytest.CaptureFixture[str]
) -> None:
    first = Session(tmp_path, stop_at=stop_at)
    assert first.outcome == Outcome(steps=stop_at, is_done=False)
    assert "stopping after this step" in capfd.readouterr().err
    assert not (tmp_path / "editto.json").exists()
    second = Session(tmp_path)
    assert first.losses + second.losses == whole[1]
    assert same_weights(tmp_path, whole[0])
    logs = [[(line.step, line.loss, line.validation_loss) for line in read_log(out)] for out in (tmp_path, whole[0])]
    assert logs[0] == logs[1]
    assert [step for step, _, validation in logs[0] if validation is not None] == [4, 8]


def test_a_line_of_the_log_that_was_begun_before_a_stop_is_the_mean_of_all_its_steps(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({**RECIPE.model_dump(), "logging": {"every_steps": 7, "tensorboard": False}})
    Session(tmp_path / "whole", recipe)
    for stop_at in (2, 5, 0):
        Session(tmp_path / "parts", recipe, stop_at=stop_at)
    logs = [
        [line.model_dump(exclude={"at", "samples_per_second", "memory_gb"}) for line in read_log(tmp_path / out)]
        for out in ("whole", "parts")
    ]
    assert [line["step"] for line in logs[0]] == [4, 7, 8]
    assert logs[1] == logs[0]


def test_a_full_disk_leaves_the_last_good_checkpoint(
    whole: tuple[Path, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(session: Session, steps: int, result: StepResult) -> None:
        session.losses.append(result.loss)
        if steps == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    with monkeypatch.context() as patch:
        patch.setattr(Session, "_watch", fill_up)
        try:
            with pytest.raises(CheckpointError, match=r"^checkpoint of step 6 .*the last one is of step 3; make room"):
                Session(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-000003"]
    assert Session(tmp_path).losses == whole[1][3:]
    assert same_weights(tmp_path, whole[0])


def test_what_was_not_saved_is_made_again_after_a_kill(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    shutil.copytree(whole[0], tmp_path / "killed")
    shutil.rmtree(tmp_path / "killed" / "checkpoints" / "step-000008")
    for file in ("editto.json", "editto.safetensors"):
        (tmp_path / "killed" / file).unlink()
    assert Session(tmp_path / "killed").losses == whole[1][6:]
    assert same_weights(tmp_path / "killed", whole[0])


def test_steps_may_be_raised_and_nothing_else_that_is_learned_from(
    whole: tuple[Path, list[float]], tmp_path: Path
) -> None:
    out = tmp_path / "more"
    shutil.copytree(whole[0], out)
    more = Recipe.model_validate({**RECIPE.model_dump(), "steps": 9})
    assert len(Session(out, more).losses) == 1
    for changed, said in (
        ({"steps": 8}, "was begun with steps=9, not 8"),
        ({"seed": 3}, "was begun with seed=0, not 3"),
        ({"optimizer": {**more.optimizer.model_dump(), "batch_size": 2}}, "was begun with 1 samples a step, not 2"),
    ):
        with pytest.raises(CommandError, match=said):
            Session(out, Recipe.model_validate({**more.model_dump(), **changed}))


def test_a_pair_that_breaks_is_named_and_another_stands_in_alike_in_every_session(tmp_path: Path) -> None:
    losses = Session(tmp_path / "whole", unusable=("pair-1",)).losses
    skipped = [json.loads(line) for line in (tmp_path / "whole" / "skipped.jsonl").read_text().splitlines()]
    assert [each["pair"] for each in skipped] == ["pair-1"]
    first = Session(tmp_path / "parts", stop_at=5, unusable=("pair-1",)).losses
    assert first + Session(tmp_path / "parts", unusable=("pair-1",)).losses == losses
    with pytest.raises(TrainingFailed, match="none of the 4 pairs of bucket 48x32x5 can be used any more"):
        Session(tmp_path / "none", unusable=tuple(f"pair-{number}" for number in range(4)))
