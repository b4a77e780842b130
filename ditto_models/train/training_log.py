"""What is told of a training: log.jsonl and TensorBoard every so many steps, and a progress bar or plain lines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ditto_models.train.log_lines import LOG, LogLine, cut_log
from ditto_models.train.recipe import Recipe
from ditto_models.train.training_progress import PlainProgress, ProgressBar

TENSORBOARD = "tensorboard"
"""Folder in CKPT."""


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """Of one step, over all processes."""

    step: int
    """Steps of the optimizer that are done, this one among them."""
    loss: float
    loss_with_key: float | None
    """Of the samples that were given the key frame; None where none was."""
    loss_without_key: float | None
    gradient_norm: float
    learning_rate: float
    samples: int
    """In the whole batch."""
    validation_loss: float | None = None
    """Where it was taken after this step."""


class TrainingLog:
    """Of one process, the main one; use as a context manager, and write every step.

    A line is written every `recipe.logging.every_steps` steps, after the last, and where there is a validation loss.
    """

    def __init__(self, out: Path, recipe: Recipe, *, step: int = 0, console: Console | None = None) -> None:
        """Begin, or go on at a step: what an earlier session wrote of later ones is taken away.

        Args:
            out: CKPT
            recipe: of the training
            step: steps that are done
            console: where progress is shown; stderr where none is given
        """
        self._out, self._recipe, self._step = out, recipe, step
        console = console or Console(stderr=True)
        shown: type[ProgressBar | PlainProgress] = ProgressBar if console.is_terminal else PlainProgress
        self._progress = shown(console, recipe.steps, step)
        self._waiting: list[StepFigures] = []
        self._board: Any = None

    def __enter__(self) -> TrainingLog:
        self._out.mkdir(parents=True, exist_ok=True)
        cut_log(self._out, self._step)
        if self._recipe.logging.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._out / TENSORBOARD), purge_step=self._step + 1 if self._step else None)
        self._progress.start()
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.close()

    def write(self, figures: StepFigures) -> None:
        """Take in a step.

        Raises:
            OSError: the disk is full or broken.
        """
        self._waiting.append(figures)
        now = time.monotonic()
        pace = sum(each.samples for each in self._waiting) / max(now - self._begun, 1e-9)
        due = figures.step % self._recipe.logging.every_steps == 0 or figures.step >= self._recipe.steps
        line = self._line(pace) if due or figures.validation_loss is not None else None
        probability = self._recipe.curriculum.key_frame.at(figures.step - 1)
        self._progress.stepped(figures.step, figures.loss, probability, pace, line)
        if line is not None:
            with (self._out / LOG).open("a", encoding="utf-8") as file:
                file.write(line.model_dump_json() + "\n")
            self._to_board(line)
            self._waiting, self._begun = [], now

    def _line(self, pace: float) -> LogLine:
        last = self._waiting[-1]
        return LogLine(
            step=last.step,
            key_frame_probability=self._recipe.curriculum.key_frame.at(last.step - 1),
            order_share=self._recipe.curriculum.order.at(last.step - 1),
            loss=_mean(each.loss for each in self._waiting),
            loss_with_key=_mean_of_some(each.loss_with_key for each in self._waiting),
            loss_without_key=_mean_of_some(each.loss_without_key for each in self._waiting),
            validation_loss=last.validation_loss,
            gradient_norm=_mean(each.gradient_norm for each in self._waiting),
            learning_rate=last.learning_rate,
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


def _mean_of_some(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return _mean(known) if known else None
