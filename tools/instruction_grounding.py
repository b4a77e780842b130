"""Whether what an instruction takes for granted is there: what it names as present, held against the caption.

A thing is named as present by "the", "this", "his" and the like, or as the object of "remove" and "replace"; what an
edit adds ("add the", "into the", "like the") is not. It is there if the caption, the words of the edit, or every clip
has it, or if the caption has a word that means much the same, by sentence vectors.
It cannot see things named without such a word ("make cars red"), the second thing of a phrase whose first is there
("the meadow dragon"), wrong counts, colours or actions ("the red car" of a blue one), or whether the caption is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tools.instruction_checks import clauses, is_verb, tokens_of, words_of
from tools.instruction_words import instruction_words

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, ND."""
_POINTING = frozenset(["the", "this", "these", "his", "her", "their", "its"])
_ANY = frozenset(["a", "an", "any", "some", "all", "every", "both", "each", "one", "two", "three"])
_GIVING = frozenset({"give", "lend"})
"""Their second object is new."""
_TARGETS = frozenset(["into", "like", "as", "with"])
"""After these stands what a thing becomes."""
_PLACES = frozenset(
    {"to", "on", "onto", "in", "at", "over", "under", "above", "below", "behind", "beside", "near", "around", "from"}
)


def ungrounded(text: str, sources: Iterable[str], embed: Embed, least: float) -> list[str]:
    """The things that `text` names as present and none of `sources` (caption, words of the edit) has.

    `least` is the cosine from which two words are taken to mean the same thing.
    """
    said = {word for source in sources for word in words_of(source)}
    known = {folded(word) for word in said | instruction_words().scene}
    unknown = [thing for thing in named(text) if not any(folded(word) in known for word in thing)]
    candidates = sorted(said - instruction_words().function - instruction_words().modifiers)
    if not unknown or not candidates:
        return [" ".join(thing) for thing in unknown]
    known_vectors = embed([f"the {word}" for word in candidates])
    return [
        " ".join(thing)
        for thing in unknown
        if float((embed([f"the {word}" for word in thing]) @ known_vectors.T).max()) < least
    ]


def named(text: str) -> list[tuple[str, ...]]:
    """The things that a text names as present, each in the words that may name it: "the old car red" in car alone."""
    found = [thing for clause in clauses(tokens_of(text)) for thing in _named(clause)]
    return list(dict.fromkeys(found))


def _named(clause: Sequence[str]) -> Iterator[tuple[str, ...]]:
    verb, words = clause[0], instruction_words()
    granted = verb not in words.adding
    openers = _POINTING | (_ANY if verb in words.taking else frozenset())
    for place, token in enumerate(clause):
        if token in _TARGETS:
            granted, openers = False, _POINTING
        elif token in _PLACES:
            granted, openers = True, _POINTING
        elif granted and token in openers and (thing := _thing(clause, place + 1)):
            yield thing
            granted = verb not in _GIVING


def _thing(tokens: Sequence[str], start: int) -> tuple[str, ...]:
    """The words of the phrase that begins here, but for those that only say how the thing is."""
    words, phrase = instruction_words(), list[str]()
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token in words.function or not token[0].isalpha() or token.endswith("ly"):
            break
        if phrase and is_verb(tokens, place):
            break
        if token not in words.modifiers:
            phrase.append(token)
    return tuple(phrase)


def folded(word: str) -> str:
    """A word whatever its number: plants as plant, skies as sky, dresses as dress."""
    word = word.removesuffix("'s")
    for ending, single in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            return word.removesuffix(ending) + single
    return word
