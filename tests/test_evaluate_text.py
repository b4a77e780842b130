"""An evaluation on a terminal: what comes from a list is text, and the figures stay to be seen beside it."""

from io import StringIO

from rich.console import Console

from agent.evaluate.figures import Scored
from agent.evaluate.report import About, Evaluation
from agent.evaluate.text import print_evaluation
from agent.judge.judged import Judged


def told(*edit_types: str) -> str:
    about = About(
        data="d", layout="openve", split=None, edits="e", judge=None, clip=None, profile="embedded", config_hash="0"
    )
    evaluation = Evaluation(about=about, num_shown=1)
    for number, edit_type in enumerate(edit_types):
        judged = Judged(
            id=str(number), source="s", edited="e", instruction="i", decision="unreadable", reasons=["[/b] gone"]
        )
        evaluation.add(Scored(judged=judged, edit_type=edit_type, group=str(number)))
    written = StringIO()
    print_evaluation(Console(file=written, width=80), evaluation)
    return written.getvalue()


def test_names_of_edit_types_are_no_markup() -> None:
    text = told("[red]sky[/red]", "[/nothing]")
    assert "[red]sky[/red]" in text
    assert "[/nothing]" in text
    assert "1: [/b] gone" in text


def test_a_long_name_hides_no_figure() -> None:
    lines = told("x" * 300, "weather").splitlines()
    [heading] = [line for line in lines if "edit type" in line]
    assert heading.split() == [
        "edit",
        "type",
        "pairs",
        "passed",
        "CLIP-T",
        "CLIP-F",
        "VLM",
        "1-10",
        "unscored",
        "unreadable",
    ]
    assert max(map(len, lines)) <= 80
    [weather] = [line for line in lines if "weather" in line]
    assert weather.split() == ["weather", "1", "-", "-", "-", "-", "0", "1"]
