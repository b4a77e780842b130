"""What a training tells of itself: lines that readers rely on, cut where it goes on, and the same on TensorBoard."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from ditto_models.command import CommandFailed
from ditto_models.train.curriculum import Curriculum, Dial
from ditto_models.train.curriculum_plot import plot_curriculum
from ditto_models.train.log_lines import LogLine, read_log
from ditto_models.train.recipe import LoggingConfig, Recipe, load_recipe
from ditto_models.train.step import StepResult
from ditto_models.train.training_log import TrainingLog

pytestmark = pytest.mark.slow
Step = tuple[int, StepResult, float | None]
"""How many are done, what came of the last, and the validation loss."""
KEYS = {
    "step",
    "key_frame_probability",
    "order_share",
    "loss",
    "loss_with_key",
    "loss_without_key",
    "validation_loss",
    "gradient_norm",
    "learning_rate",
    "samples_per_second",
    "memory_gb",
    "at",
}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    rising = ["optimizer.learning_rate=1.0", "optimizer.warmup_steps=9"]
    return load_recipe("tiny", ["steps=10", "logging.every_steps=4", *rising])


def made(step: int, with_key: float | None = 2.0, validation: float | None = None, num_with_key: int = 4) -> Step:
    num_with_key = 0 if with_key is None else num_with_key
    result = StepResult(
        loss=((with_key or 0) * num_with_key + 4.0 * (8 - num_with_key)) / 8,
        loss_with_key=with_key,
        loss_without_key=4.0 if num_with_key < 8 else None,
        num_with_key=num_with_key,
        gradient_norm=float(step),
    )
    return step, result, validation


def written(out: Path, recipe: Recipe, steps: Sequence[Step], at: int = 0, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80 if terminal else 160, force_terminal=terminal)
    with TrainingLog(out, recipe, batch=8, step=at, console=console) as log:
        for each in steps:
            log.write(*each)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_line_is_the_mean_since_the_line_before_and_null_where_there_was_none(tmp_path: Path, recipe: Recipe) -> None:
    steps = [made(step, with_key=None if step <= 4 else float(step)) for step in range(1, 11)]
    said = written(tmp_path, recipe, steps)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [KEYS] * 3
    assert [line["step"] for line in lines] == [4, 8, 10]
    assert [line["loss_with_key"] for line in lines] == [None, 6.5, 9.5]
    assert [line["loss_without_key"] for line in lines] == [4, 4, 4]
    assert [line["gradient_norm"] for line in lines] == [2.5, 6.5, 9.5]
    assert [line["learning_rate"] for line in lines] == [0.4, 0.8, 1.0]
    # Of the step that was made last, counted from 0: the frame is held for 5 steps, then annealed away over 25.
    assert [line["key_frame_probability"] for line in lines] == pytest.approx([1, 1 - 2 / 25, 1 - 4 / 25])
    assert all(line["samples_per_second"] > 0 and line["memory_gb"] > 0.01 for line in lines)
    assert said.splitlines()[1].startswith(
        "step 8 of 10: loss 5.2500, with key frame 6.5000, without 4.0000, key frame"
    )
    assert "with key frame -, without 4.0000" in said.splitlines()[0]


def test_a_loss_with_the_key_frame_is_a_mean_over_samples_not_over_steps(tmp_path: Path, recipe: Recipe) -> None:
    written(tmp_path, recipe, [made(step, with_key=step, num_with_key=2 * step) for step in range(1, 5)])
    [line] = read_log(tmp_path)
    assert line.loss_with_key == (1 * 2 + 2 * 4 + 3 * 6 + 4 * 8) / 20
    assert line.loss_without_key == 4
    assert line.loss == (line.loss_with_key * 20 + 4 * 12) / 32, "what the two parts say of the whole"


def test_a_full_disk_is_told_with_what_to_do(small_disk: Path, recipe: Recipe) -> None:
    (small_disk / "log.jsonl").touch()
    with (small_disk / "full").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    unheard = recipe.model_copy(update={"logging": LoggingConfig(every_steps=4, tensorboard=False)})
    with TrainingLog(small_disk, unheard, batch=8, console=Console(file=io.StringIO())) as log:
        for step in range(1, 4):
            log.write(*made(step))
        with pytest.raises(
            CommandFailed, match=r"log of .* at step 4: .*No space left.*; the last checkpoint stays; make"
        ):
            log.write(*made(4))


def test_a_validation_loss_has_a_line_of_its_step(tmp_path: Path, recipe: Recipe) -> None:
    said = written(tmp_path, recipe, [made(1), made(2, validation=0.25), made(3), made(4)])
    assert [(line.step, line.validation_loss) for line in read_log(tmp_path)] == [(2, 0.25), (4, None)]
    assert "validation 0.2500" in said


def test_going_on_takes_away_what_lies_after_the_checkpoint(tmp_path: Path, recipe: Recipe) -> None:
    written(tmp_path, recipe, [made(step) for step in range(1, 9)])
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')
    written(tmp_path, recipe, [made(step, with_key=7.0) for step in range(5, 11)], at=4)
    assert [(line.step, line.loss_with_key) for line in read_log(tmp_path)] == [(4, 2.0), (8, 7.0), (10, 7.0)]
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 3
    assert scalars(tmp_path, "loss_with_key") == [(4, 2.0), (8, 7.0), (10, 7.0)]
    assert [step for step, _ in scalars(tmp_path, "key_frame_probability")] == [4, 8, 10]


def test_tensorboard_has_each_step_once_though_a_training_was_killed_before_a_checkpoint(
    tmp_path: Path, recipe: Recipe
) -> None:
    for count in (9, 11):
        written(tmp_path, recipe, [made(step) for step in range(1, count)])
    assert [step for step, _ in scalars(tmp_path, "loss")] == [4, 8, 10]


def test_a_terminal_has_a_bar_with_what_is_left(tmp_path: Path, recipe: Recipe) -> None:
    said = written(tmp_path, recipe, [made(step) for step in range(1, 6)], terminal=True)
    for part in ("step 5/10", "loss 3.0000", "key frame 100%", "/s", "left"):
        assert part in said
    assert "…" not in said, "80 columns are enough"
    assert "with key frame" not in said


def test_the_plot_is_drawn_with_and_without_a_log(tmp_path: Path) -> None:
    import matplotlib.image

    curriculum = Curriculum(key_frame=Dial(anneal_steps=20))
    plot_curriculum(tmp_path / "plan.png", curriculum, 40)
    line = dict.fromkeys(KEYS, 0.5) | {"at": "", "step": 10, "loss_without_key": None, "validation_loss": None}
    lines = [LogLine.model_validate(line | {"step": step, "loss_with_key": 1 / step}) for step in (10, 20, 30)]
    plot_curriculum(tmp_path / "done.png", curriculum, 40, lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done.png", "plan.png"]
    plan, done = (matplotlib.image.imread(tmp_path / name)[..., :3] for name in ("plan.png", "done.png"))
    assert done.shape[0] == 2 * plan.shape[0]
    blue = abs(done - [0x1B / 255, 0x6C / 255, 0xA8 / 255]).max(axis=2) < 0.1
    assert blue[: plan.shape[0]].sum() > 500, "the probability"
    assert not (abs(done - [0xD1 / 255, 0x49 / 255, 0x5B / 255]).max(axis=2) < 0.1).any(), "no loss without the frame"


def scalars(out: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]
