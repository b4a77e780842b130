"""Answers to words that are no wish: thanks, questions, numbers of nothing, another language, taking back."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from memory.sample import Sample
from tools.advisor import Advice
from tools.catalogue_replies import SHOWN, listed
from tools.catalogue_turn import CatalogueTurn
from tools.wish import read_wish
from tools.wish_words import wish_words

_BARE_NUMBER = re.compile(
    r"(?:(?:take|choose|use|pick|make|do|generate|render|approve|yes) )?(?:number|option|proposal|no|nr)?[ .#]*"
    r"(?P<number>-?[0-9]{1,30})\W*"
)
_OTHER = re.compile(r"(?:no,? )?(?:(?:take|choose|i want|i like|i prefer) )?the other(?: one)?")
_BOTH = re.compile(
    r"(?:(?:take|make|i want|i like|mix|combine|do) )?"
    r"(?:both|all|them all|all (?:of them|three|of these)|[0-9]+ and [0-9]+)"
    r"(?: (?:of them|together|at once))?"
)
_KEEP = re.compile(r"(?:yes,? )?(?:keep|save|download|export)(?: (?:it|this|that|the video|the result))?")
_LETTERS = re.compile(r"[a-z]")
ENGLISH = "I understand English only."
NOTHING_CHANGES = "Then nothing changes: close the conversation, or say what should change."


def aside(turn: CatalogueTurn) -> Advice | None:
    """The answer; None where the words may be a wish."""
    said, words = _plain(turn.sample.wish), wish_words()
    if found := _BARE_NUMBER.fullmatch(said):
        return Advice(words=_no_such(found["number"], turn.sample))
    if _OTHER.fullmatch(said.strip(" .!")) and len(turn.sample.proposals) > 1:
        return Advice(words=f"Which one: {listed(_numbers(turn.sample), 'or')}?")
    if _BOTH.fullmatch(said.strip(" .!")) and len(turn.sample.proposals) > 1:
        return Advice(words=f"I do one edit at a time: choose {listed(_numbers(turn.sample), 'or')}.")
    if _KEEP.fullmatch(said.strip(" .!")) and not turn.sample.edit:
        offered = _numbers(turn.sample)
        how = f"make one first, of {listed(offered, 'or')}" if offered else "say what you want to see"
        return Advice(words=f"There is no video to keep yet: {how}.")
    if _is_foreign(turn, said):
        return Advice(words=f"{ENGLISH} {turn.capabilities}")
    if words.courtesy.fullmatch(said.strip(" .!")):
        return Advice(words=f"Say what you want to see. {turn.capabilities}")
    if words.question.match(said):
        return Advice(words=f"I answer no questions, I only edit: say what should be different. {turn.capabilities}")
    if words.all_kept.fullmatch(said.strip(" .!")):
        return Advice(words=NOTHING_CHANGES)
    return None


def taken_back(sample: Sample) -> str:
    """The earlier wish that words such as undo lead back to; empty where there is none.

    Wishes that only say how much, or where, lead back to what they were about.
    """
    stack: list[str] = []
    shown: list[str] = []
    for words, answer in _with_answers(sample):
        if is_taking_back(words):
            stack = stack[:-1]
        elif SHOWN.search(answer):
            stack.append(words)
            shown.append(words)
    named = set(read_wish(wish_words().back_to.sub("", _plain(sample.wish))).content)
    if named & {"first", "beginning", "start"}:
        return next(iter(shown), "")
    left = [words for words in shown if named & set(read_wish(words).content)] if named else stack[:-1]
    return next((words for words in reversed(left) if _says_what(words)), "")


def is_taking_back(words: str) -> bool:
    """Whether words are for what was there before."""
    return wish_words().back.fullmatch(_plain(words).strip(" .!")) is not None


def _with_answers(sample: Sample) -> Iterator[tuple[str, str]]:
    """What the person said before the last words, each with what the agent answered."""
    for said, answer in itertools.pairwise(sample.talk):
        if said.by == "person" and answer.by == "agent":
            yield said.words, answer.words


def _says_what(words: str) -> bool:
    wish = read_wish(words)
    return bool((wish.content or wish.measure) and not wish.push and not wish.asks)


def _numbers(sample: Sample) -> list[str]:
    return [str(each.number) for each in sample.proposals]


def _no_such(number: str, sample: Sample) -> str:
    offered = _numbers(sample)
    if not offered:
        return f"There is no {number[:8]}: nothing is on offer yet. Say what you want to see."
    return f"There is no {number[:8]} on offer now, only {listed(offered, 'and')}."


def _is_foreign(turn: CatalogueTurn, said: str) -> bool:
    """Whether words are in another script, or have some that are no English and none that the catalogue knows."""
    if not _LETTERS.search(said):
        return any(unicodedata.category(letter).startswith("L") for letter in said)
    tokens = set(re.findall(r"[^\W\d_]+", said))
    return bool(tokens & wish_words().foreign) and not any(map(turn.matcher.knows, turn.wish.content))


def _plain(said: str) -> str:
    return " ".join(said.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
