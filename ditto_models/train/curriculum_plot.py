"""CKPT/curriculum.png: the curriculum over the steps, and what the loss did with and without the key frame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ditto_models.train.curriculum import Curriculum
from ditto_models.train.log_lines import LogLine
from ditto_models.train.whole_file import write_whole

PLOT = "curriculum.png"
_WITH, _WITHOUT, _ORDER, _VALIDATION = "#1b6ca8", "#d1495b", "#6b7280", "#2e7d32"
_MOST_POINTS = 1000
"""Of a curve: no more can be seen."""


def plot_curriculum(path: Path, curriculum: Curriculum, steps: int, lines: Sequence[LogLine] = ()) -> None:
    """Draw it to a PNG, whole or not at all; `lines` are those of the log, if training has begun."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6.4 if lines else 3.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if lines else 1, 1, sharex=True, squeeze=False)[:, 0]
    _dials(axes[0], curriculum, steps)
    if lines:
        _losses(axes[1], lines)
    axes[0].set_xlim(0, steps)
    axes[-1].set_xlabel("step")
    for each in axes:
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    write_whole(path, [drawn.getvalue()])


def _dials(axes: Any, curriculum: Curriculum, steps: int) -> None:
    at = sorted({round(steps * place / _MOST_POINTS) for place in range(_MOST_POINTS + 1)})
    for dial, name, colour, style in (
        (curriculum.order, "share of the pairs that are drawn, easiest first", _ORDER, "--"),
        (curriculum.key_frame, "probability of the key frame", _WITH, "-"),
    ):
        axes.plot(
            at, [dial.at(step) for step in at], style, color=colour, label=name, linewidth=2, drawstyle="steps-post"
        )
    axes.set_ylim(-0.03, 1.05)
    axes.set_title("curriculum", loc="left")
    axes.legend(frameon=False, loc="best")


def _losses(axes: Any, lines: Sequence[LogLine]) -> None:
    for key, name, colour, style, opacity in (
        ("loss_with_key", "with the key frame", _WITH, "o", 0.5),
        ("loss_without_key", "with the instruction alone", _WITHOUT, "o", 0.5),
        ("validation_loss", "on the validation split, with the instruction alone", _VALIDATION, "D-", 1.0),
    ):
        known = [(line.step, value) for line in lines if (value := getattr(line, key)) is not None]
        if known:
            axes.plot(*zip(*known, strict=True), style, color=colour, label=name, markersize=3, alpha=opacity)
    axes.set_title("loss, a mean over the steps between two lines of the log", loc="left")
    axes.legend(frameon=False, loc="best")
