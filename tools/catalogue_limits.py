"""Wishes that no single edit of the catalogue is: for a thing that cannot be singled out, or for two edits at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tools.advisor import Advice, Idea
from tools.catalogue_matcher import Match
from tools.catalogue_replies import COLORED, listed
from tools.catalogue_turn import CatalogueTurn
from tools.wish import Wish, read_wish
from tools.wish_words import wish_words

SURE = 0.55
"""Likeness from which a part of a wish is taken for an edit of its own, and strange words beside it are not told."""
EACH_ALONE = "I do one edit at a time; each of these is one."
_MADE = re.compile(
    r"\b(?:make|turn|paint|colou?r|dye|tint|recolou?r) (?:the|his|her|their|my|that|this) (?P<thing>[a-z]+)\b"
    r"(?P<rest>.+)"
)
_LESS = re.compile(r"(?:,? but)? (?:with )?less (?P<color>[a-z]+)")
_JOINED = re.compile(r",? (?:and )?then |,? and |[,;] ?")
_FIRST = re.compile(r"^(?:first|at first|please) ")
_ENDING = 3
"""Letters that a word may have more than the one that it begins with: snow, for snowing."""


def colorable(turn: CatalogueTurn) -> Sequence[str]:
    """What can be colored in the clip."""
    kinds = turn.matcher.catalogue.offers(turn.facts)
    return ["the whole picture", *(where for kind, where in COLORED.items() if kind in kinds)]


def not_singled_out(turn: CatalogueTurn) -> Advice | None:
    """A wish for another color of a thing that no mask is made of, such as the sky: never of something else instead."""
    words, found = wish_words(), _MADE.search(turn.wish.text)
    if found is None or turn.wish.region or found["thing"] in words.colorable | words.colors:
        return None
    if not set(re.findall("[a-z]+", found["rest"])) & words.colors:
        return None
    of, cannot = colorable(turn), f"I cannot single out {found['thing']!r}."
    if len(of) == 1:
        return Advice(words=f"{cannot} In this clip I can only color {of[0]}: say so if you want that.")
    return Advice(words=f"{cannot} Here I can color {listed(of, 'or')}. Which of them should it be?")


def less_colored(wish: Wish) -> Wish:
    """A wish for something with less of a color, as a wish for it without that color."""
    found = _LESS.search(wish.text)
    if found is None or found["color"] not in wish_words().colors or set(wish.content) <= {found["color"]}:
        return wish
    content = tuple(word for word in wish.content if word != found["color"])
    refuses = (*wish.refuses, found["color"])
    return replace(wish, text=_LESS.sub("", wish.text), content=content, refuses=refuses, push=0.0)


def one_by_one(turn: CatalogueTurn, near: Sequence[Match]) -> Advice | None:
    """Where a wish names several edits, the nearest to each: they cannot be had in one."""
    parts = [_FIRST.sub("", part.strip()) for part in _JOINED.split(turn.wish.text)]
    wishes = [read_wish(part) for part in parts if part.strip()]
    if len(wishes) < 2 or turn.wish.region or turn.wish.things or not all(wish.content for wish in wishes):
        return None
    firsts = [turn.near(wish.text, wish.content) for wish in wishes]
    tops = [found[0] for found in firsts if found and found[0].score >= SURE]
    kinds = {match.instruction.edit_type for match in tops}
    if len(tops) < len(wishes) or len(kinds) < len(tops) or near[0].score > max(match.score for match in tops):
        return None
    ideas = [Idea(instruction=match.instruction) for match in tops if match.suits]
    lacking = " ".join(turn.lacking([match]) for match in tops if not match.suits)
    if not ideas:
        return None
    return turn.offered(ideas, f"{EACH_ALONE if len(ideas) > 1 else 'I do one edit at a time.'} {lacking}")


def strange(turn: CatalogueTurn, content: Sequence[str], score: float) -> str:
    """That words mean nothing to the catalogue, where what it has is not near either."""
    words = [word for word in content if not _is_known(turn, word)]
    return f"I know nothing of {listed([repr(word) for word in words], 'or')}." if words and score < SURE else ""


def _is_known(turn: CatalogueTurn, word: str) -> bool:
    """Whether the catalogue has a word, or one that it begins with."""
    least = max(len(word) - _ENDING, 3)
    return any(turn.matcher.knows(word[:length]) for length in range(least, len(word) + 1))
