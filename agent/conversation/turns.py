"""A conversation as a person reads it: the events of its sample folded into turns. Pure.

A move of the person is a turn; all that the agent did between two moves is one more. Whoever shows a conversation, on a
terminal, a page, in an export, shows these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import JsonValue, TypeAdapter

from memory.noun import Noun
from memory.sample import Clip, Decision, Description, Edit, Event, Proposal, Verdict
from memory.talk import Given, Said

_PROPOSALS: TypeAdapter[tuple[Proposal, ...]] = TypeAdapter(tuple[Proposal, ...])
_TALK: TypeAdapter[list[Said]] = TypeAdapter(list[Said])
_NO_TURN = ("thin", "drop")
"""Tools that tidy up, long after anybody spoke."""


class Turn(Noun):
    """One turn; what it did not touch is empty."""

    by: Literal["person", "agent"]
    seq: int
    """Of its last event."""
    at: str
    """When it began: UTC, ISO 8601."""
    call: str = ""
    """The person's move (`agent.policy.PersonCall`, or "override"); empty of the agent."""
    words: str = ""
    given: Given | None = None
    """What the conversation began with."""
    clip: Clip | None = None
    """Of the turn that began it: the window that was taken."""
    caption: str = ""
    """What the agent saw in the clip."""
    proposals: tuple[Proposal, ...] = ()
    """Offered by the agent; each has its key frame and verdict once the preview was made."""
    chosen: int = 0
    """The number of the proposal that the person turned to."""
    approved: int = 0
    """The number of the proposal whose video the person wanted."""
    frame_index: int | None = None
    """The frame that the person wants edited."""
    edit: Edit | None = None
    """The video that the agent made."""
    verdict: Verdict | None = None
    """Of the video."""
    error: str = ""
    """Why the agent could not do as asked."""
    decision: Decision | None = None
    """How the conversation ended."""
    reasons: tuple[str, ...] = ()
    """Of that decision."""
    notes: tuple[str, ...] = ()
    """What the agent's steps had to say for themselves, one line a step."""
    seconds: float = 0.0
    """What the agent took."""


def turns(events: Iterable[Event]) -> tuple[Turn, ...]:
    """The turns of one conversation, oldest first."""
    found: list[Turn] = []
    said = 0
    for event in events:
        if event.tool in _NO_TURN:
            continue
        new, said = _newly_said(event, said)
        if event.by == "person":
            found.append(_of_person(event, new))
            continue
        if event.tool == "sample_clip" and found and found[-1].call == "begin" and "clip" in event.result:
            found[-1] = found[-1].model_copy(update={"clip": Clip.model_validate(event.result["clip"])})
        if not found or found[-1].by == "person":
            found.append(Turn(by="agent", seq=event.seq, at=event.at))
        found[-1] = _with_step(found[-1], event, new)
    return tuple(found)


def _newly_said(event: Event, before: int) -> tuple[str, int]:
    """What the event adds to the talk, and how much was said with it."""
    if "talk" not in event.result:
        return "", before
    talk = _TALK.validate_python(event.result["talk"])
    return "\n".join(said.words for said in talk[before:]), len(talk)


def _of_person(event: Event, words: str) -> Turn:
    result, given = event.result, event.result.get("given")
    turn = Turn(
        by="person",
        seq=event.seq,
        at=event.at,
        call=event.tool,
        words=words or str(event.arguments.get("note", "")),
        given=Given.model_validate(given) if given else None,
        chosen=_number(result.get("focus")) or 0 if event.tool == "choose" else 0,
        approved=_number(result.get("approved")) or 0,
        frame_index=_number(result.get("key_frame_index")),
    )
    return turn.model_copy(update=_ending(event))


def _with_step(turn: Turn, event: Event, words: str) -> Turn:
    result = event.result
    changes: dict[str, Any] = {
        "seq": event.seq,
        "words": "\n".join(part for part in (turn.words, words) if part),
        "error": event.error or "",
        "notes": (*turn.notes, event.note) if event.note else turn.notes,
        "seconds": turn.seconds + event.seconds,
    }
    if result.get("description"):
        changes["caption"] = Description.model_validate(result["description"]).caption
    if "proposals" in result:
        changes["proposals"] = _PROPOSALS.validate_python(result["proposals"])
    if result.get("edit"):
        changes["edit"] = Edit.model_validate(result["edit"])
    if result.get("verdict"):
        changes["verdict"] = Verdict.model_validate(result["verdict"])
    return turn.model_copy(update=changes | _ending(event))


def _ending(event: Event) -> dict[str, Any]:
    decision = event.result.get("decision")
    reasons = event.result.get("reasons")
    return {"decision": decision, "reasons": tuple(reasons) if isinstance(reasons, list) else ()} if decision else {}


def _number(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None
