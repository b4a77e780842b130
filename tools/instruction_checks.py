"""Whether a text is an edit instruction at all, by its words alone: form, order, number of edits, fitness, length.

It reads words, not meaning. It cannot see an edit that hides in one clause ("make it snow at night"), a description
that begins with a word that is a verb too, an unsafe meaning in harmless words, or a language that borrows our letters.
Each problem is said in words that a writer can act on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tools.instruction_words import instruction_words

MOST_CHARACTERS = 260
"""Of an instruction; no catalogue sentence has half of it."""
_ALLOWED = re.compile(r"[^A-Za-zÀ-ÖØ-öø-ÿ0-9 ,.;:'’()%&!?-]")
_TOKEN = re.compile(r"[a-zà-öø-ÿ0-9]+(?:['’-][a-zà-öø-ÿ0-9]+)*|[.;:,!?]")
_STOPS = frozenset(".;:!?")
_ASIDES = frozenset(["please", "now", "also", "just"])
_JOINS = frozenset([",", "and", "then", "but", "also", "while", "plus"])
_ARTICLES = frozenset(["a", "an", "another", "some", "two", "three", "several", "the"])


@dataclass(frozen=True, kw_only=True)
class Form:
    """What was asked for of the words."""

    fewest_words: int = 3
    most_words: int = 40
    edits: int = 1
    """How many edits one instruction asks for."""


def problems_of_form(text: str, form: Form) -> list[str]:
    """What is wrong with a text, nothing where it is an instruction as asked for."""
    if odd := _ALLOWED.search(text):
        return [f"it holds {odd[0]!r}; write one line of plain English letters, digits and stops, without markup"]
    tokens = tokens_of(text)
    checks = (_length(text, tokens, form), _order(text, tokens) or _edits(tokens, form), *_unfit(tokens))
    return [problem for problem in checks if problem]


def is_plain(text: str) -> bool:
    """Whether a text is one line of plain English letters, digits and stops."""
    return not _ALLOWED.search(text)


def unsafe_words(tokens: Sequence[str]) -> frozenset[str]:
    """Those that are not fit for all audiences, in whatever number or compound they stand."""
    return instruction_words().unsafe & _parts(tokens)


def _parts(tokens: Sequence[str]) -> set[str]:
    return {part for token in tokens for part in (token, token.removesuffix("s"), *re.split("['-]", token))}


def tidy(text: str) -> str:
    """The text without spaces at its ends and with a stop; nothing else is changed."""
    text = text.strip(" ")
    return text if not text or text[-1] in ".!?" else f"{text}."


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [token for token in tokens_of(text) if token[0].isalnum()]


def tokens_of(text: str) -> list[str]:
    """The words and stops of a text in lower case."""
    return _TOKEN.findall(text.lower().replace("’", "'"))


def is_verb(tokens: Sequence[str], place: int) -> bool:
    """Whether the word at this place may be an order."""
    known, word = instruction_words(), tokens[place]
    following = tokens[place + 1] if place + 1 < len(tokens) else ""
    if word in known.ambiguous:
        return following in known.starters or following.endswith("ly")
    return word in known.verbs


def _length(text: str, tokens: Sequence[str], form: Form) -> str:
    words = sum(token[0].isalnum() for token in tokens)
    if len(text) > MOST_CHARACTERS:
        return f"it has {len(text)} characters; at most {MOST_CHARACTERS} are read"
    if not form.fewest_words <= words <= form.most_words:
        return f"it has {words} words; write {form.fewest_words} to {form.most_words}"
    return ""


def _order(text: str, tokens: Sequence[str]) -> str:
    if "?" in text:
        return "it is a question; say what to do, as an order"
    if spoken := instruction_words().spoken.intersection(tokens):
        return f"it speaks of {min(spoken)!r}; say what to do, as an order"
    first = _skipped(tokens, 0)
    if first == len(tokens) or not is_verb(tokens, first):
        word = tokens[first] if first < len(tokens) else ""
        return f"it begins with {word!r}; begin with a verb that orders an edit, as Turn, Make, Add, Paint do"
    return ""


def _edits(tokens: Sequence[str], form: Form) -> str:
    asked = sum(_edits_of(clause) for clause in clauses(tokens))
    if asked == 0:
        return "it asks for no change; begin with what is to change"
    if asked != form.edits:
        return f"it asks for {asked} edits; ask for {form.edits}, each with one verb"
    return ""


def clauses(tokens: Sequence[str]) -> list[list[str]]:
    """The parts of a text that each begin with an order; words before the first of them are left out."""
    starts = [place for place in range(len(tokens)) if _begins(tokens, place)]
    return [list(tokens[start:end]) for start, end in pairwise([*starts, len(tokens)])]


def _begins(tokens: Sequence[str], place: int) -> bool:
    before = place - 1
    while before >= 0 and _is_aside(tokens[before]):
        before -= 1
    joined = before < 0 or tokens[before] in _STOPS or tokens[before] in _JOINS
    return joined and is_verb(tokens, place)


def _edits_of(clause: Sequence[str]) -> int:
    """One for its verb, and one for every further thing that it adds or takes away; none for what is kept."""
    known = instruction_words()
    if clause[0] in known.keeping or (clause[1:2] == ["nothing"] and clause[2:3] != ["but"]):
        return 0
    if clause[0] not in known.adding | known.taking:
        return 1
    return 1 + sum(word in {"and", ",", "plus"} and following in _ARTICLES for word, following in pairwise(clause))


def _unfit(tokens: Sequence[str]) -> list[str]:
    unsafe, orders = unsafe_words(tokens), instruction_words().orders & _parts(tokens)
    return [
        f"the word {min(unsafe)!r} is not fit for all audiences; leave it out" if unsafe else "",
        f"the word {min(orders)!r} has no place in an edit; speak of the picture alone" if orders else "",
    ]


def _skipped(tokens: Sequence[str], place: int) -> int:
    while place < len(tokens) and _is_aside(tokens[place]):
        place += 1
    return place


def _is_aside(token: str) -> bool:
    """Whether a word may stand before an order: please, gently."""
    return token in {"please", "now", "also", "just"} or (
        token.endswith("ly") and token not in instruction_words().verbs
    )
