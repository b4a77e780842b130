"""A conversation as its page shows it: turns as bubbles, proposals as cards, what the agent does now. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.conversation.client import WAITS, TalkStatus
from agent.conversation.moves import Move
from agent.conversation.turns import Turn
from agent.policy import CONVERSATION_CALLS, PersonCall
from memory.sample import Proposal, Sample, Verdict

DOING: Mapping[str, str] = {
    "sample_clip": "Taking the clip",
    "describe_clip": "Looking at the clip",
    "propose_edits": "Thinking of edits",
    "preview_edits": "Editing the key frame",
    "generate_video": "Making the video",
    "critique_video": "Judging the video",
    "accept": "Writing the pair to the dataset",
}
GETTING_READY = "Getting ready"
MOVES: Mapping[str, str] = {
    "begin": "Here is a clip.",
    "choose": "I take number {chosen}.",
    "approve": "Make the video of number {approved}.",
    "frame": "Edit frame {frame} instead.",
    "keep": "Keep it: the dataset may have it.",
    "close": "Close this conversation.",
    "cancel": "Stop.",
    "override": "I overrule the decision.",
}
"""What a press of a button says, where the person said nothing besides."""
STAGES: Mapping[str, str] = {
    "new": "beginning",
    "awaiting_person": "your turn",
    "accepted": "in the dataset",
    "private": "closed",
    "rejected": "rejected",
    "failed": "failed",
    "unscored": "not judged",
    "quarantined": "unreadable clip",
    "done": "ended",
}
"""Where a conversation stands or how it ended; at all other stages the agent is at work."""
ENDINGS: Mapping[str, str] = {
    "accepted": "This pair is in the dataset.",
    "private": "This conversation is closed; nothing of it is in the dataset.",
    "rejected": "This pair was rejected; it is not in the dataset.",
    "failed": "This conversation failed.",
    "quarantined": "This clip cannot be used, so the conversation ended. Begin another one with another clip.",
}
EXAMPLES = ("Make it look like night", "Warmer evening light", "Make it a black and white film", "Make it autumn")
"""Of the catalogue, and each suits half of the sample clips or more."""
AGAIN = ("stronger", "weaker", "only the background")
OTHER = "the other one"


@dataclass(frozen=True, kw_only=True)
class Card:
    """A proposal as it is shown."""

    offer: Proposal
    live: bool
    """Whether it can still be taken."""
    mark: str
    """What the person did with it; empty for nothing."""
    verdict: str
    """In words; empty while there is no preview."""
    blocked: str
    """Why no video can be made of it; empty where one can."""


@dataclass(frozen=True, kw_only=True)
class Bubble:
    """A turn as it is shown."""

    turn: Turn
    words: str
    cards: tuple[Card, ...] = ()
    waits_for_preview: bool = False
    is_result: bool = False
    """Whether this is the video that the talk is about now."""
    verdict: str = ""
    """Of the video, in words."""
    is_silent: bool = False
    """Whether there is nothing of it to show."""


@dataclass(frozen=True, kw_only=True)
class TalkView:
    """The whole of it."""

    bubbles: tuple[Bubble, ...]
    pending: tuple[str, ...]
    """What the person said that the agent has not taken up."""
    doing: str
    chips: tuple[str, ...]
    waits: bool
    """Whether it is the person's turn."""
    ended: bool
    chosen: int
    """The proposal that the person has turned to last and whose video can be made; 0 for none."""
    seen: str
    """Changes whenever anything that is shown does, but for the clock."""


def talk_view(sample: Sample, turns: Sequence[Turn], status: TalkStatus, pending: Sequence[Move]) -> TalkView:
    """What the page shows."""
    waits = status.stage == "awaiting_person" and not status.working
    offered = [turn.seq for turn in turns if turn.proposals]
    results = [turn.seq for turn in turns if turn.edit]
    current = results[-1] if results and sample.edit else 0
    bubbles = tuple(_bubble(turn, sample, turn.seq == max(offered, default=0), turn.seq == current) for turn in turns)
    said = tuple(_said(move.call, move.words, move.number, move.number, move.frame_index) for move in pending)
    told = (turns[-1].seq if turns else 0, said, status.stage, status.tool, status.problem, status.since is None)
    return TalkView(
        bubbles=bubbles,
        pending=said,
        doing=_doing(sample, status),
        chips=_chips(sample),
        waits=waits,
        ended=status.stage == "done",
        chosen=_chosen(sample) if waits and turns and turns[-1].call == "choose" else 0,
        seen=hashlib.sha256(repr((told, status.working, status.expected_seconds)).encode()).hexdigest()[:16],
    )


def _chosen(sample: Sample) -> int:
    found = next((each for each in sample.proposals if each.number == sample.focus), None)
    return found.number if found and found.key_frame and not blocked(found.verdict) else 0


def quiet_status(sample: Sample) -> TalkStatus:
    """How a conversation stands for who only looks on: nobody is started to work on it."""
    return TalkStatus(stage=sample.stage, working=sample.stage not in WAITS)


def _doing(sample: Sample, status: TalkStatus) -> str:
    if status.since is None and status.tool:  # nobody owns the run yet
        return GETTING_READY
    at = status.tool or next(iter(CONVERSATION_CALLS.get(sample.stage, ())), "")
    return DOING.get(at, GETTING_READY)


def verdict_words(verdict: Verdict) -> str:
    """A verdict in a sentence, with the scores that decided."""
    scores = [f"{_name(axis)} {_score(verdict, axis)}" for axis in verdict.reasons]
    what = ", ".join(scores) or "nothing named"
    if verdict.decision == "accepted":
        return f"Passes all {sum(axis.counted for axis in verdict.scores.values())} checks"
    if verdict.decision == "unscored":
        return f"Could not be judged: {', '.join(map(_name, verdict.reasons)) or 'nothing named'}"
    return f"Fails: {what}" if verdict.rule == "gate" else f"Falls short: {what}"


def blocked(verdict: Verdict | None) -> str:
    """What nobody can waive; empty for nothing."""
    if verdict and verdict.decision == "rejected" and verdict.rule == "gate":
        return f"It fails {', '.join(map(_name, verdict.reasons))}, which nobody can waive."
    return ""


def stage_words(sample: Sample) -> str:
    """Where a conversation stands, in two words."""
    return STAGES.get(sample.decision or sample.stage, "agent at work")


def frame_now(sample: Sample) -> int:
    """The frame that is edited now, or would be."""
    drawn = [each for each in sample.proposals if each.key_frame and each.number in (sample.focus, 0)]
    drawn = drawn or [each for each in sample.proposals if each.key_frame]
    if sample.key_frame_index is not None:
        return sample.key_frame_index
    if drawn and drawn[0].key_frame:
        return drawn[0].key_frame.index
    return sample.clip.frames // 2 if sample.clip else 0


def _bubble(turn: Turn, sample: Sample, is_offer: bool, is_result: bool) -> Bubble:
    frame = turn.frame_index if turn.call == "frame" else None
    return Bubble(
        turn=turn,
        words=_said(turn.call, turn.words, turn.chosen, turn.approved, frame),
        cards=tuple(_card(proposal, sample, is_offer) for proposal in turn.proposals),
        waits_for_preview=is_offer and sample.stage == "proposed",
        is_result=is_result,
        verdict=verdict_words(turn.verdict) if turn.verdict and turn.edit else "",
        is_silent=turn.by == "agent"
        and not (turn.words or turn.caption or turn.proposals or turn.edit or turn.error or turn.reasons),
    )


def _card(proposal: Proposal, sample: Sample, is_live: bool) -> Card:
    mark = ""
    if is_live and proposal.number == sample.approved:
        mark = "video asked for"
    elif is_live and proposal.number == sample.focus:
        mark = "chosen"
    return Card(
        offer=proposal,
        live=is_live and any(proposal.number == each.number for each in sample.proposals),
        mark=mark,
        verdict=verdict_words(proposal.verdict) if proposal.verdict else "",
        blocked=blocked(proposal.verdict),
    )


def _said(call: str, words: str, chosen: int, approved: int, frame: int | None) -> str:
    shown: PersonCall | str = call
    if words.strip() or not call:
        return words
    if call in ("approve", "choose") and not chosen and not approved:
        return {"approve": "Make the video.", "choose": "I take this one."}[call]
    return MOVES.get(shown, call).format(chosen=chosen, approved=approved, frame=frame)


def _chips(sample: Sample) -> tuple[str, ...]:
    if not sample.proposals:
        return EXAMPLES
    return (*AGAIN, OTHER) if len(sample.proposals) == 2 and sample.focus else AGAIN


def _score(verdict: Verdict, axis: str) -> str:
    held = verdict.scores.get(axis)
    if held is None or held.value is None:
        return "not judged"
    return f"{held.value:.2f} of {held.threshold:.2f}"


def _name(axis: str) -> str:
    return axis.replace("_", " ")
