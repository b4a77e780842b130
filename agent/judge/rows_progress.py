"""Shows how far many rows are judged, and edited before that, on a terminal: what is being done, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

STOPPING = "stopping after this one; Ctrl-C again: at once"


class _What(ProgressColumn):
    """What is being done; asked at each refresh, so that a person who stops it is answered at once."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        return Text(STOPPING if self._stop.is_set() else task.description)


class RowsProgress:
    """A line on stderr while the block lasts; nothing where that is no terminal.

    Where rows are edited first, an edit counts as much as a judgement; one that need not be made counts nothing, so
    that the rest is not reckoned by its haste.
    """

    def __init__(self, num_rows: int, stop: threading.Event, with_edits: bool = False) -> None:
        console = Console(stderr=True)
        self._num_rows = num_rows
        self._num_judged = 0
        self._with_edits = with_edits
        self._work = num_rows * (1 + with_edits)
        self._num_made, self._share = 0, 0.0
        self._progress = Progress(
            _What(stop),
            BarColumn(None),  # as wide as the rest leaves it
            TimeRemainingColumn(),
            console=console,
            transient=True,
            speed_estimate_period=3600,  # an edit of a large network may take many minutes
            disable=not console.is_terminal,
        )
        first = "editing" if with_edits else "judging"
        self._task = self._progress.add_task(f"{first} 1 of {num_rows}", total=self._work)

    def editing(self, number: int, what: str, share: float) -> None:
        """Row `number`, from 1, is being edited; `share` of it, 0..1, is done."""
        self._share = share
        self._show(f"editing {number} of {self._num_rows}, {what}")

    def edited(self) -> None:
        """The row has its edit, or there will be none."""
        self._num_made += self._share > 0
        self._work -= self._with_edits and not self._share
        self._share = 0.0
        self._show(self._judging())

    def judged(self, counts: Mapping[str, int]) -> None:
        """One more is judged; so many had each outcome."""
        self._num_judged += 1
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        self._show(f"{self._num_judged} of {self._num_rows}: {told}")

    @property
    def done(self) -> float:
        """0..1, the part of the work that is done."""
        return (self._num_judged + self._num_made + self._share) / self._work

    def _judging(self) -> str:
        return f"judging {min(self._num_judged + 1, self._num_rows)} of {self._num_rows}"

    def _show(self, what: str) -> None:
        self._progress.update(self._task, description=what, completed=self.done * self._work, total=self._work)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
