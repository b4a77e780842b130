"""Shows how far an edit is, on a terminal: windows, steps, and how long it will still take."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ditto_models.gpu.clip_edit import ClipPlan


class EditProgress:
    """A line on stderr while the block lasts; nothing where that is no terminal."""

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            speed_estimate_period=3600,  # a step of a large network may take a minute
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("reading the clip and the weights", total=None)

    def told(self, plan: ClipPlan, window: int, step: int) -> None:
        """So many steps of a window are made."""
        count = len(plan.windows)
        self._progress.update(
            self._task,
            description=f"window {window + 1} of {count}" if step else "reading the weights",
            completed=window * self._num_steps + step,
            total=count * self._num_steps,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
