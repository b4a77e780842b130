"""What a person sees of a campaign, on a terminal and in a pipe."""

import io

from rich.console import Console

from agent.progress import LiveReporter, PlainReporter
from memory.sample import Decision, Instruction, Sample


def sample(decision: Decision | None, text: str = "Make it [bold]night[/bold]") -> Sample:
    instruction = Instruction(text=text, edit_type="time_of_day", scope="global")
    return Sample(id="000001-ab", seed=1, decision=decision, reasons=["safety"], instruction=instruction)


def shown(*decisions: Decision | None) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with LiveReporter(console, target=3, accepted=1) as live:
        for decision in decisions:
            live.began(sample(None))
            live.stepped(sample(None), "describe_clip: [red]a clip[/red]")
            live.ended(sample(decision))
    return screen.getvalue()


def test_every_decision_has_its_line_and_no_text_is_taken_for_markup() -> None:
    screen = shown("accepted", "rejected", "failed", "unscored", "quarantined", None)
    for word in ("accepted", "rejected", "failed", "unscored", "quarantined", "parked"):
        assert f"{word:<11} 000001-ab  Make it [bold]night[/bold]" in screen
    assert "2 of 3 pairs" in screen


def test_a_pipe_gets_plain_lines() -> None:
    pipe = io.StringIO()
    reporter = PlainReporter(Console(file=pipe, width=40))
    reporter.began(sample(None))
    reporter.stepped(sample(None), "sample_clip: " + "long " * 40)
    reporter.ended(sample("rejected"))
    lines = pipe.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[-1] == "000001-ab  REJECTED (safety)"
