"""A sample's events as steps that name each other: which critique a repair answers, and what was done again for it.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memory.sample import Event

REDOES: Mapping[str, str] = {
    "instruction": "write_instruction",
    "key_frame": "edit_key_frame",
    "video": "generate_video",
}
"""The tool that a retry of a stage leads to."""
CRITIQUES = ("critique_key_frame", "critique_video")
MAKERS = ("write_instruction", "edit_key_frame", "generate_video", "enhance_video")

Kind = Literal["because", "led_to"]


@dataclass(frozen=True)
class Link:
    """To another step."""

    kind: Kind
    number: int
    words: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One event, numbered from 1 in its sample."""

    number: int
    event: Event
    failed: bool
    """The tool broke off, or what it judged did not pass."""
    links: tuple[Link, ...] = ()

    @property
    def verdict(self) -> str:
        """What a critique decided; empty of other steps."""
        return _decided(self.event)


def steps(events: Sequence[Event]) -> tuple[Step, ...]:
    """The timeline, oldest first."""
    made = [
        Step(number=number, event=event, failed=bool(event.error) or _decided(event) in ("rejected", "unscored"))
        for number, event in enumerate(events, 1)
    ]
    for step in list(made):
        cause = _cause(made[: step.number - 1], step)
        if cause:
            _link(made, cause, step)
    return tuple(made)


def _cause(before: Sequence[Step], step: Step) -> Step | None:
    """The step that this one answers: of a repair the failed critique, of what is done again the repair."""
    tool = step.event.tool
    last = next((one for one in reversed(before) if one.event.tool in (*CRITIQUES, *MAKERS, "retry")), None)
    if last is None:
        return None
    if tool == "retry":
        return last if last.verdict == "rejected" else None
    if tool in MAKERS:
        if last.event.tool == "retry" and REDOES.get(str(last.event.arguments.get("stage"))) == tool:
            return last
        return last if last.failed else None
    if tool == "reject":
        return last if last.failed else None
    return None


def _link(made: list[Step], cause: Step, effect: Step) -> None:
    cause, effect = made[cause.number - 1], made[effect.number - 1]
    words, done = _said(cause, effect)
    made[effect.number - 1] = replace(effect, links=(*effect.links, Link("because", cause.number, words)))
    made[cause.number - 1] = replace(cause, links=(*cause.links, Link("led_to", effect.number, done)))


def _said(cause: Step, effect: Step) -> tuple[str, str]:
    """The words at the effect and at the cause."""
    if cause.event.tool == "retry":
        axis = str(cause.event.arguments.get("axis", "")).replace("_", " ")
        return f"done again for the diagnosis of step {cause.number} ({axis})", f"done again in step {effect.number}"
    if cause.event.error:
        return f"after step {cause.number} broke off", f"tried again in step {effect.number}"
    if effect.event.tool == "reject":
        return f"because step {cause.number} did not pass", f"given up in step {effect.number}"
    if effect.event.tool == "retry":
        return f"because the critique of step {cause.number} failed", f"led to the diagnosis of step {effect.number}"
    return f"because step {cause.number} did not pass", f"led to step {effect.number}"


def _decided(event: Event) -> str:
    key = {"critique_key_frame": "key_frame_verdict", "critique_video": "verdict"}.get(event.tool, "")
    verdict = event.result.get(key)
    return str(verdict.get("decision", "")) if isinstance(verdict, dict) else ""
