"""What is told of a training: log.jsonl and TensorBoard every so many steps, and a progress bar or plain lines."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ditto_models.command import CommandFailed
from ditto_models.train.log_lines import LOG, LogLine, cut_log
from ditto_models.train.recipe import Recipe
from ditto_models.train.step import StepResult, learning_rate
from ditto_models.train.training_progress import PlainProgress, ProgressBar

TENSORBOARD = "tensorboard"
"""Folder in CKPT."""


class TrainingLog:
    """Of one process, the main one; use as a context manager, and write every step.

    A line is written every `recipe.logging.every_steps` steps, after the last, and where there is a validation loss.
    """

    def __init__(
        self,
        out: Path,
        recipe: Recipe,
        *,
        batch: int,
        step: int = 0,
        waiting: str = "[]",
        console: Console | None = None,
    ) -> None:
        """Begin, or go on at a step: what an earlier session wrote of later ones is taken away.

        Args:
            out: CKPT
            recipe: of the training
            batch: samples of a step, over all processes
            step: steps that are done
            waiting: the `waiting` of an earlier session after that step
            console: where progress is shown; stderr where none is given
        """
        self._out, self._recipe, self._batch, self._step = out, recipe, batch, step
        console = console or Console(stderr=True)
        shown: type[ProgressBar | PlainProgress] = ProgressBar if console.is_terminal else PlainProgress
        self._progress = shown(console, recipe.steps, step)
        self._waiting = [StepResult(**each) for each in json.loads(waiting)]
        self._num_timed = 0
        self._board: Any = None

    def __enter__(self) -> TrainingLog:
        self._out.mkdir(parents=True, exist_ok=True)
        cut_log(self._out, self._step)
        if self._recipe.logging.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._out / TENSORBOARD), purge_step=self._step + 1)
        self._progress.start()
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.close()

    @property
    def waiting(self) -> str:
        """Of the steps since the last line, to be kept with a checkpoint: the next line is the mean over them too."""
        return json.dumps([vars(each) for each in self._waiting])

    def write(self, step: int, result: StepResult, validation_loss: float | None = None) -> None:
        """Take in a step, the last of so many; with the validation loss where it was taken after it.

        Raises:
            CommandFailed: the disk is full or broken.
        """
        self._waiting.append(result)
        now = time.monotonic()
        self._num_timed += 1
        pace = self._batch * self._num_timed / max(now - self._begun, 1e-9)
        due = step % self._recipe.logging.every_steps == 0 or step >= self._recipe.steps
        line = self._line(step, pace, validation_loss) if due or validation_loss is not None else None
        probability = self._recipe.curriculum.key_frame.at(step - 1)
        self._progress.stepped(step, result.loss, probability, pace, line)
        if line is not None:
            try:
                with (self._out / LOG).open("a", encoding="utf-8") as file:
                    file.write(line.model_dump_json() + "\n")
                self._to_board(line)
            except OSError as error:
                raise CommandFailed(
                    f"the log of {str(self._out)!r} could not be written at step {step}: {error}; the last checkpoint "
                    "stays; make room and run the same command to go on"
                ) from error
            self._waiting, self._num_timed, self._begun = [], 0, now

    def _line(self, step: int, pace: float, validation_loss: float | None) -> LogLine:
        return LogLine(
            step=step,
            key_frame_probability=self._recipe.curriculum.key_frame.at(step - 1),
            order_share=self._recipe.curriculum.order.at(step - 1),
            loss=_mean(each.loss for each in self._waiting),
            loss_with_key=_mean_over_samples((each.loss_with_key, each.num_with_key) for each in self._waiting),
            loss_without_key=_mean_over_samples(
                (each.loss_without_key, self._batch - each.num_with_key) for each in self._waiting
            ),
            validation_loss=validation_loss,
            gradient_norm=_mean(each.gradient_norm for each in self._waiting),
            learning_rate=learning_rate(self._recipe, step - 1),
            samples_per_second=pace,
            memory_gb=memory_gb(),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _to_board(self, line: LogLine) -> None:
        if self._board is None:
            return
        for name, value in line.model_dump(exclude={"step", "at"}).items():
            if value is not None:
                self._board.add_scalar(name, value, line.step)
        self._board.flush()


def memory_gb() -> float:
    """The most that torch held of the GPU so far; without one, what the process holds of the machine's memory now."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 1e9
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGESIZE") / 1e9


def _mean(numbers: Iterable[float]) -> float:
    known = list(numbers)
    return sum(known) / len(known)


def _mean_over_samples(losses: Iterable[tuple[float | None, int]]) -> float | None:
    """Of the mean losses of steps, each over so many samples; None where there were none."""
    known = [(loss, count) for loss, count in losses if loss is not None]
    return sum(loss * count for loss, count in known) / sum(count for _, count in known) if known else None
