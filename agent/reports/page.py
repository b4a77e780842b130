"""Pages for people: one file each, which asks for nothing from outside; what comes from outside shows as text."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from agent.judge.judged import Judged
from agent.judge.tally import MAX_UNREADABLE, Tally
from agent.plain import plain
from agent.profile import Profile
from agent.provenance import code_version
from memory.group_commit import now
from memory.sample import AxisVerdict

if TYPE_CHECKING:
    import jinja2

FOLDER = Path(__file__).parent


def judge_page(tally: Tally, dataset: str, num_rows: int, stopped: bool, profile: Profile) -> str:
    """The report of many judged pairs as HTML."""
    return (
        environment()
        .get_template("judge.html.j2")
        .render(
            tally=tally,
            dataset=plain(dataset),
            num_rows=num_rows,
            stopped=stopped,
            made=made_by(profile.hash),
            max_unreadable=MAX_UNREADABLE,
            strips=strips,
        )
    )


def made_by(config_hash: str) -> str:
    """When and by what a page is made, in words."""
    return f"{now()[:16].replace('T', ' ')} UTC by Ditto {code_version()}, config {config_hash}"


def told(score: AxisVerdict) -> str:
    """The value in as many digits as it takes to see on which side of the threshold it is."""
    if score.value is None:
        return "-"
    short = f"{score.value:.2f}"
    return short if (float(short) >= score.threshold) == score.passed else f"{score.value:.4f}"


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def strips(judged: Judged) -> list[tuple[str, list[bytes]]]:
    """Rows of thumbnails under each other, with what they show; none where none were kept."""
    return [("source", judged.sheet.source), ("edited", judged.sheet.edited)] if judged.sheet else []


@cache
def environment() -> jinja2.Environment:
    """Where templates are found, and what they may call."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"data_uri": _data_uri, "told": told}
    return made
