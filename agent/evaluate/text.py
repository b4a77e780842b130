"""An evaluation told on a terminal: a row an edit type, then all, and what could not be read or edited."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.evaluate.against import Differences
from agent.evaluate.figures import Figure, Summary
from agent.evaluate.report import OWN, About, Evaluation

SHOWN = 10
COLUMNS = (("passed", "passed"), ("clip_t", "CLIP-T"), ("clip_f", "CLIP-F"), ("vlm", "VLM 1-10"))


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """The report as text."""
    about = evaluation.about
    split = f", split {about.split}" if about.split else ""
    console.print(Text(f"{about.data}{split}: {title(about)}", style="bold"), soft_wrap=True)
    for line in notes(evaluation):
        console.print(Text(line, style="dim"), soft_wrap=True)
    if evaluation.stopped:
        console.print(Text(f"stopped after {len(evaluation.scored)} pairs", style="bold red"))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("edit type", overflow="fold")
    for column in ("pairs", *(title for _, title in COLUMNS), "unscored", "unreadable"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, found in evaluation.by_edit_type.items():
        table.add_row(Text(name), *_cells(found))
    table.add_row("all", *_cells(evaluation.overall), style="bold")
    console.print(table)
    shown = [(title, evaluation.overall.figures[name], name) for name, title in COLUMNS]
    if bounds := [f"{title} {told(name, figure)}" for title, figure, name in shown if figure.interval]:
        console.print(Text(f"95 % intervals of all, over sources: {', '.join(bounds)}", style="dim"), soft_wrap=True)
    if evaluation.against:
        _print_against(console, evaluation.against)
    for judged in evaluation.unreadable[:SHOWN]:
        console.print(Text(f"{judged.id}: {judged.reasons[0]}", style="yellow"), soft_wrap=True)
    if (more := len(evaluation.unreadable) - SHOWN) > 0:
        console.print(Text(f"and {more} more that could not be read or edited", style="dim"))


def title(about: About) -> str:
    """What was evaluated."""
    return "the dataset's own edits" if about.edits == OWN else f"edits of {about.edits}"


def _print_against(console: Console, against: Differences) -> None:
    console.print(Text(f"less {against.edits}, of the same {against.pairs} pairs", style="bold"), soft_wrap=True)
    for name, heading in COLUMNS:
        if against.overall[name].num:
            console.print(Text(f"{heading} {further(name, against.overall[name])}"), soft_wrap=True)


def further(name: str, figure: Figure) -> str:
    """A difference with its sign and interval; a share's in percentage points."""
    if figure.mean is None:
        return "-"

    def signed(value: float) -> str:
        return f"{100 * value:+.0f} points" if name == "passed" else f"{value:+.2f}"

    bounds = figure.interval
    return signed(figure.mean) + (f" [{signed(bounds[0])}, {signed(bounds[1])}]" if bounds else "")


def notes(evaluation: Evaluation) -> list[str]:
    """What has to be known of the figures: who judged, and what was not measured."""
    about = evaluation.about
    judge = f"VLM by {about.judge}" if about.judge else "no judge: VLM is not measured (profile served has one)"
    against = "what the edited video shows" if evaluation.clip_text == "target" else "the instruction"
    clip = f"CLIP-T against {against}, by {about.clip}" if about.clip else ""
    return [judge, clip or "no CLIP: CLIP-T and CLIP-F are not measured (clip_scores.kind=clip has them)"]


def told(name: str, figure: Figure) -> str:
    """A figure and its interval in a few digits; a dash where nothing was measured."""
    if figure.mean is None:
        return "-"
    mean, bounds = _digits(name, figure.mean), figure.interval
    return f"{mean} [{_digits(name, bounds[0])}, {_digits(name, bounds[1])}]" if bounds else mean


def _digits(name: str, value: float) -> str:
    return f"{value:.0%}" if name == "passed" else f"{value:.2f}"


def _cells(found: Summary) -> list[str]:
    figures = [told(name, found.figures[name]).partition(" ")[0] for name, _ in COLUMNS]
    return [str(found.pairs), *figures, *(str(found.outcomes.get(one, 0)) for one in ("unscored", "unreadable"))]
