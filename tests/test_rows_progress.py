"""What is told while many pairs are edited and judged: what is being done, and how much of the work is done."""

from __future__ import annotations

import re
import threading

import pytest
from rich.cells import cell_len

from agent.judge.rows_progress import RowsProgress

Capture = pytest.CaptureFixture[str]


def last_line(capsys: Capture) -> str:
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).replace("\r", "\n").splitlines()
    return [line for line in lines if line.strip()][-1].rstrip()


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


def test_editing_is_told_as_editing_on_one_line(capsys: Capture) -> None:
    with RowsProgress(600, threading.Event(), with_edits=True) as progress:
        progress.edited()
        progress.editing(237, "window 12 of 63", 0.5)
    line = last_line(capsys)
    assert line.startswith("editing 237 of 600, window 12 of 63 ")
    assert re.search(r"[0-9-:]{7}$", line), "how long it will take"
    assert cell_len(line) <= 80


def test_edits_that_need_not_be_made_are_no_work() -> None:
    progress = RowsProgress(3, threading.Event(), with_edits=True)
    assert progress.done == 0
    progress.editing(1, "window 1 of 1", 0.5)
    assert progress.done == pytest.approx(0.5 / 6)
    progress.edited()
    assert progress.done == pytest.approx(1 / 6)
    progress.edited()
    progress.editing(3, "reading the weights", 0.0)
    progress.edited()
    assert progress.done == pytest.approx(1 / 4)
    for _ in range(3):
        progress.judged({"accepted": 1})
    assert progress.done == 1


def test_judging_alone_tells_the_outcomes(capsys: Capture) -> None:
    with RowsProgress(4, threading.Event()) as progress:
        progress.edited()
        progress.judged({"accepted": 1, "rejected": 0})
    assert last_line(capsys).startswith("1 of 4: 1 accepted ")
    assert progress.done == 1 / 4
    with RowsProgress(600, threading.Event()) as progress:
        progress.judged({"accepted": 300, "rejected": 200, "unscored": 50, "unreadable": 49})
    line = last_line(capsys)
    assert "300 accepted, 200 rejected, 50 unscored, 49 unreadable ━" in line
    assert cell_len(line) <= 80


def test_a_person_who_stopped_it_is_told_what_is_waited_for(capsys: Capture) -> None:
    stop = threading.Event()
    with RowsProgress(4, stop, with_edits=True) as progress:
        progress.editing(1, "window 1 of 1", 0.5)
        stop.set()
    assert last_line(capsys).startswith("stopping after this one; Ctrl-C again: at once ")
