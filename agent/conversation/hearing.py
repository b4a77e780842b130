"""What a person means by words: the few that press a button, such as "yes" or "the second"; all others are a wish.

Only words that can mean nothing else are taken for a button: "yes but less snow" is a wish, and so is "yes" where
nothing in particular is on offer or where the agent has just asked something.
"""

from __future__ import annotations

import re

from agent.conversation.moves import MOST_WORDS, Move, MoveError
from memory.sample import Proposal, Sample

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PLAIN = re.compile(r"[^\w']+")
_AROUND = re.compile(r"^(?:(?:well|so|then|now|please|hmm|oh) )+|(?: (?:please|then|now|thanks|thank you))+$")
_YES = (
    r"(?:yes|yeah|yep|yup|ok|okay|sure|go|go ahead|go for it|do it|do that|make it|approve|approved|approve it"
    r"|looks good|that's it|perfect)"
)
_MAKE = r"(?:generate|render|produce|approve|make|do)"
_VIDEO = r"(?:it|that|this|that one|this one|the video|a video|the clip|the video now)"
_ONE = rf"(?:(?:number|proposal|option|no|nr) )?(?P<number>[0-9]{{1,6}}|{'|'.join(_NUMBERS)})"
_NTH = rf"(?:the )?(?P<nth>{'|'.join(_ORDINALS)}|last)(?: (?:one|proposal|option|picture|preview))?"
_WHICH = rf"(?:(?:the )?(?P<other>other)(?: one| proposal| option)?|{_NTH}|{_ONE})"
_TAKE = r"(?:take|choose|pick|select|use|i like|i prefer|i want|i'd like|i'll take|let's take|go with|go for|rather)"

_APPROVE = re.compile(rf"{_YES}(?: (?:{_YES}|{_MAKE} {_VIDEO}))?|(?:{_YES} )?(?:{_MAKE} {_VIDEO}|generate|render)")
_APPROVE_ONE = re.compile(rf"(?:{_YES} )?{_MAKE} (?:the video (?:of|for|from|with) )?{_WHICH}")
_CHOOSE = re.compile(rf"(?:(?:{_YES}|no) )?(?:{_TAKE} )?{_WHICH}")
_KEEP = re.compile(
    rf"(?:{_YES} )?(?:keep|save)(?: (?:it|this|that|this one|that one|the video|the result|the clip))?"
    r"(?: (?:in|for|to) the (?:dataset|data set))?"
)
_CLOSE = re.compile(
    r"stop|stop it|stop here|quit|exit|close|bye|goodbye|good bye|end|end it"
    r"|(?:close|end|stop) (?:the|this) (?:conversation|talk|chat)|that's all|that is all|(?:i'm|i am|we're|we are) done"
)
_CANCEL = re.compile(r"cancel|cancel it|cancel that|abort|stop|stop it|stop that")
_FRAME = re.compile(
    r"(?:(?:use|take|show|edit|choose|try) )?"
    r"(?:(?:the )?(?P<place>first|middle|last) frame|frame (?P<frame>[0-9]{1,6}))"
)


def heard(words: str, sample: Sample) -> Move:
    """The move that these words are in this conversation; what could mean something else is said to the agent.

    Raises:
        MoveError: there are no words, or more than may be said at once.
    """
    if not words.strip():
        raise MoveError("nothing was said; say what you want to see")
    if len(words) > MOST_WORDS:
        raise MoveError(f"that is {len(words)} characters; say it in {MOST_WORDS} at most")
    plain = _plain(words)
    works = sample.stage not in ("awaiting_person", "done", "new")
    if works and _CANCEL.fullmatch(plain):
        return Move(call="cancel")
    pressed = None if "?" in words else _pressed(plain, words, sample)
    return pressed or Move(call="say", words=words)


def _pressed(plain: str, words: str, sample: Sample) -> Move | None:
    """The button that words press, None for none."""
    if _CLOSE.fullmatch(plain):
        return Move(call="close", words=words)
    if _KEEP.fullmatch(plain):
        return Move(call="keep", words=words) if sample.edit and sample.verdict else None
    if _APPROVE.fullmatch(plain):
        return _approved(plain, words, sample)
    if found := _APPROVE_ONE.fullmatch(plain):
        number = _number(found, sample)
        return Move(call="approve", words=words, number=number) if number else None
    if found := _CHOOSE.fullmatch(plain):
        number = _number(found, sample)
        return Move(call="choose", words=words, number=number) if number else None
    if found := _FRAME.fullmatch(plain):
        frame = _frame(found, sample)
        return None if frame is None else Move(call="frame", words=words, frame_index=frame)
    return None


def current(sample: Sample) -> Proposal | None:
    """The proposal that the talk is about: the one turned to or made last, else the only one there is."""
    by_number = {proposal.number: proposal for proposal in sample.proposals}
    only = sample.proposals[0] if len(sample.proposals) == 1 else None
    return by_number.get(sample.focus) or by_number.get(sample.approved) or only


def _approved(plain: str, words: str, sample: Sample) -> Move | None:
    """A "yes" is to one preview, and neither to a question nor to a video that is there already."""
    one = current(sample)
    if one is None or one.key_frame is None:
        return None
    if not re.search(rf"\b{_MAKE}\b", plain) and (_is_asked(sample) or (sample.edit and sample.approved == one.number)):
        return None
    return Move(call="approve", words=words, number=one.number)


def _is_asked(sample: Sample) -> bool:
    """Whether the last words are a question of the agent's."""
    last = sample.talk[-1] if sample.talk else None
    return last is not None and last.by == "agent" and last.words.rstrip().endswith("?")


def _number(found: re.Match[str], sample: Sample) -> int:
    """Of the proposal that is meant; 0 where that is not clear, or there is none such."""
    offered = [proposal.number for proposal in sample.proposals]
    if found["other"]:
        one = current(sample)
        others = [number for number in offered if one and number != one.number]
        return others[0] if len(offered) == 2 and len(others) == 1 else 0
    if nth := found["nth"]:
        place = len(offered) if nth == "last" else _ORDINALS.index(nth) + 1
        meant = {offered[place - 1]} if 0 < place <= len(offered) else set()
        meant |= {place} & set(offered) if nth != "last" else set()
        return meant.pop() if len(meant) == 1 else 0
    said = found["number"]
    number = int(said) if said.isdecimal() else _NUMBERS.index(said) + 1
    return number if number in offered else 0


def _frame(found: re.Match[str], sample: Sample) -> int | None:
    if sample.clip is None:
        return None
    if found["frame"]:
        return int(found["frame"])
    last = sample.clip.frames - 1
    return {"first": 0, "middle": sample.clip.frames // 2, "last": last}[found["place"]]


def _plain(words: str) -> str:
    """In lower case, without stops and without the words of courtesy around it."""
    plain = _PLAIN.sub(" ", words.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip()
    return _AROUND.sub("", plain)
