"""The page of an evaluation: figures by edit type with their intervals, and the best and worst pairs to look at."""

from __future__ import annotations

from pathlib import Path

from agent.evaluate.figures import Figure, Scored
from agent.evaluate.report import Evaluation
from agent.evaluate.text import COLUMNS, further, notes, title, told
from agent.judge.pair_files import MAX_FRAMES
from agent.judge.row import OF_THE_FILES, thumbnails
from agent.judge.tally import MAX_UNREADABLE
from agent.plain import plain
from agent.reports.page import environment, made_by
from ditto_models import video

WIDTH, HEIGHT = 480, 270
"""At which a dataset's own edit is read for thumbnails; it keeps its shape."""


def evaluation_page(evaluation: Evaluation, num_pairs: int) -> str:
    """The report as HTML."""
    about = evaluation.about
    return (
        environment()
        .get_template("evaluation.html.j2")
        .render(
            evaluation=evaluation,
            rows=[*evaluation.by_edit_type.items(), ("all", evaluation.overall)],
            axes=[name for name in evaluation.overall.figures if name.startswith("axes.")],
            columns=COLUMNS,
            num_pairs=num_pairs,
            data=plain(about.data),
            title=plain(title(about)),
            notes=[plain(note) for note in notes(evaluation)],
            made=made_by(about.config_hash),
            max_unreadable=MAX_UNREADABLE,
            told_figure=told,
            further=further,
            span=_span,
            strips=_strips,
        )
    )


def _span(figure: Figure) -> tuple[float, float, float] | None:
    """Left, width and mean of a share's interval, in per cent of the bar; None where there is none."""
    if figure.mean is None or figure.interval is None:
        return None
    low, high = figure.interval
    return 100 * low, 100 * (high - low), 100 * figure.mean


def _strips(scored: Scored) -> list[tuple[str, list[bytes]]]:
    """Source, the dataset's edit where another was judged, and what was judged."""
    sheet = scored.judged.sheet
    if sheet is None:
        return []
    if not scored.reference:
        return [("source", sheet.source), ("edit", sheet.edited)]
    reference = [("the dataset's edit", found)] if (found := _thumbnails_of(Path(scored.reference))) else []
    return [("source", sheet.source), *reference, ("the edit evaluated", sheet.edited)]


def _thumbnails_of(path: Path) -> list[bytes]:
    """None where the file cannot be read: what is judged does not depend on it."""
    try:
        shown = video.probe(path)
        scale = min(1.0, WIDTH / shown.width, HEIGHT / shown.height)
        size = round(shown.width * scale), round(shown.height * scale)
        return thumbnails(video.read_window(path, 0.0, None, MAX_FRAMES, *size).frames)
    except (*OF_THE_FILES, video.VideoError):
        return []
