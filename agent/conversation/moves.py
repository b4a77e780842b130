"""What a person can do in a conversation: each move held against the sample, and what it changes. Pure.

The graph goes on from where a move leads; what the agent answers is the tools' work.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from agent.policy import PERSON_LEADS_TO, PersonCall
from memory.sample import Proposal, Sample, Stage
from memory.talk import Given, Said

MOST_WORDS = 600
"""Characters that a person may say at once."""
MOST_TURNS = 60
"""Times that a person may speak in one conversation."""


class MoveError(ValueError):
    """The move cannot be made now; the message says why, in words for the person."""


class Move(BaseModel):
    """One move."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call: PersonCall
    words: Annotated[str, Field(max_length=MOST_WORDS)] = ""
    """What they said, empty where they pressed a button."""
    number: int = 0
    """Of the proposal, for `choose` and `approve`; 0 is the one the talk is about."""
    frame_index: Annotated[int, Field(ge=0)] | None = None
    """For `frame`, and for `begin` where it is not left to the agent."""
    given: Given | None = None
    """For `begin`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.call == "say" and not self.words.strip():
            raise ValueError("nothing was said; expected some words")
        if self.call == "frame" and self.frame_index is None:
            raise ValueError("no frame was chosen; expected its number")
        if self.call == "begin" and self.given is None:
            raise ValueError("no clip was given; expected one of the run's, or a file")
        return self

    @property
    def arguments(self) -> dict[str, JsonValue]:
        """What the trace says of it."""
        return self.model_dump(mode="json", exclude={"call"}, exclude_defaults=True)


def moved(sample: Sample, move: Move) -> tuple[dict[str, JsonValue], Stage]:
    """The keys of the sample that a move changes, and the stage it leads to.

    Raises:
        MoveError: it cannot be made now.
    """
    _check_stage(sample, move)
    leads_to = PERSON_LEADS_TO[move.call]
    changes: dict[str, object] = _spoken(sample, move) if move.words.strip() else {}
    match move.call:
        case "begin":
            changes |= {"given": move.given, "key_frame_index": move.frame_index, "wish": move.words.strip()}
        case "say":
            changes["wish"] = move.words.strip()
        case "choose":
            changes["focus"] = proposal(sample, move.number).number
        case "frame":
            changes["key_frame_index"] = _frame(sample, move)
            bare = [
                each.model_copy(update={"key_frame": None, "verdict": None, "problem": ""}) for each in sample.proposals
            ]
            changes["proposals"] = bare
            leads_to = leads_to if bare else "awaiting_person"
        case "approve":
            changes |= _approved(proposal(sample, move.number))
        case "keep":
            _check_result(sample)
            changes["consent"] = True
        case "close":
            changes |= {"decision": "private", "reasons": []}
        case "cancel" if sample.description is None:
            changes |= {"decision": "private", "reasons": []}
            leads_to = "done"
        case "cancel":
            pass
    dumped = Sample.model_validate(sample.model_dump() | changes).model_dump(mode="json")
    return {key: dumped[key] for key in changes}, leads_to


def proposal(sample: Sample, number: int) -> Proposal:
    """The proposal of this number; of 0 the one that the talk is about.

    Raises:
        MoveError: there is no such proposal, or it is not clear which one is meant.
    """
    wanted = number or sample.focus or (sample.proposals[0].number if len(sample.proposals) == 1 else 0)
    found = next((each for each in sample.proposals if each.number == wanted), None)
    if found:
        return found
    offered = ", ".join(str(each.number) for each in sample.proposals)
    if not offered:
        raise MoveError("nothing is on offer yet; say what you want to see")
    raise MoveError(f"there is no proposal {wanted}; on offer: {offered}" if wanted else f"which one? {offered}")


def _check_stage(sample: Sample, move: Move) -> None:
    if not sample.conversation:
        raise MoveError(f"sample {sample.id!r} is no conversation")
    if sample.stage == "done":
        raise MoveError("this conversation has ended; begin another one")
    if move.call == "begin":
        if sample.stage != "new" or sample.given:
            raise MoveError("this conversation has begun already")
    elif move.call == "cancel":
        if sample.stage == "awaiting_person":
            raise MoveError("nothing is under way")
    elif sample.stage != "awaiting_person":
        raise MoveError("the agent is at work; wait for it, or cancel")


def _spoken(sample: Sample, move: Move) -> dict[str, object]:
    ends = move.call in ("keep", "close", "cancel")
    if not ends and sum(said.by == "person" for said in sample.talk) >= MOST_TURNS:
        raise MoveError(f"a conversation ends after {MOST_TURNS} turns; keep or close it, and begin another one")
    return {"talk": [*sample.talk, Said(by="person", words=move.words.strip())]}


def _frame(sample: Sample, move: Move) -> int:
    frames = sample.clip.frames if sample.clip else 0
    if move.frame_index is None or move.frame_index >= frames:
        raise MoveError(f"there is no frame {move.frame_index}; the clip has frames 0 to {frames - 1}")
    return move.frame_index


def _approved(chosen: Proposal) -> dict[str, object]:
    if chosen.problem:
        raise MoveError(f"proposal {chosen.number} cannot be shown: {chosen.problem}")
    if chosen.key_frame is None or chosen.verdict is None:
        raise MoveError(f"proposal {chosen.number} has no preview yet; wait for it, or choose another one")
    if chosen.verdict.decision == "rejected" and chosen.verdict.rule == "gate":
        raise MoveError(f"proposal {chosen.number} cannot be made: {_failed(chosen.verdict.reasons)}")
    return {
        "focus": chosen.number,
        "approved": chosen.number,
        "instruction": chosen.instruction,
        "key_frame": chosen.key_frame,
        "key_frame_verdict": chosen.verdict,
        "edit": None,
        "verdict": None,
        "suggestion": None,
    }


def _check_result(sample: Sample) -> None:
    if sample.edit is None or sample.verdict is None:
        raise MoveError("there is no judged video to keep yet; approve a key frame first")
    if sample.verdict.decision == "rejected" and sample.verdict.rule == "gate":
        raise MoveError(f"the dataset does not take this video: {_failed(sample.verdict.reasons)}")


def _failed(reasons: list[str]) -> str:
    return f"it fails {', '.join(reasons)}, which nobody can waive"
