"""What a person sees of a training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ditto_models.train.log_lines import LogLine


class ProgressBar:
    """On a terminal."""

    def __init__(self, console: Console, steps: int, step: int) -> None:
        self._bar = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}", style="bold"),
            BarColumn(bar_width=12),  # all of it fits into 80 columns
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            # A step of a large model takes a minute: the pace of the last half hour is what the rest is reckoned by.
            speed_estimate_period=1800,
        )
        self._task = self._bar.add_task("", total=steps, completed=step, figures="")

    def start(self) -> None:
        """Show it."""
        self._bar.start()

    def stop(self) -> None:
        """Leave it as it stands."""
        self._bar.stop()

    def stepped(self, step: int, loss: float, probability: float, pace: float, line: LogLine | None) -> None:
        """So many steps are done; `pace` in samples a second, and the log's line where one is written."""
        figures = f"loss {loss:.4f}  key frame {probability:4.0%}  {pace:.1f}/s"
        if line is not None and line.validation_loss is not None:
            self._bar.console.print(f"step {step}: validation loss {line.validation_loss:.4f}", highlight=False)
        self._bar.update(self._task, completed=step, figures=figures)


class PlainProgress:
    """For logs and pipes: each line of the log, in words."""

    def __init__(self, console: Console, steps: int, step: int) -> None:
        self._console = console
        self._steps = steps
        self._first = step

    def start(self) -> None:
        """From here the time that is left is reckoned."""
        self._begun = time.monotonic()

    def stop(self) -> None:
        """Nothing is held open."""

    def stepped(self, step: int, loss: float, probability: float, pace: float, line: LogLine | None) -> None:
        """The same, of which it says what is in the log."""
        if line is None:
            return
        left = (time.monotonic() - self._begun) / (step - self._first) * (self._steps - step)
        parts = [
            f"step {step} of {self._steps}: loss {line.loss:.4f}",
            f"with key frame {_shown(line.loss_with_key)}",
            f"without {_shown(line.loss_without_key)}",
            f"key frame {probability:.0%}",
            f"{pace:.2f} samples/s",
            f"{timedelta(seconds=round(left))} left",
        ]
        if line.validation_loss is not None:
            parts.insert(1, f"validation {line.validation_loss:.4f}")
        self._console.print(", ".join(parts), markup=False, highlight=False, soft_wrap=True)


def _shown(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"
