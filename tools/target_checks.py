"""Whether a writer's target can be looked for in the clip, and its description of the edited clip shown to a model."""

from __future__ import annotations

from collections.abc import Iterable

from tools.edit_types import Names
from tools.instruction_checks import is_plain, unsafe_words, words_of
from tools.instruction_grounding import Embed, folded, named, ungrounded

MOST_WORDS = 10
"""Of a target: what finds things by words reads a phrase, not a story."""
LEAST_OF_RESULT = 5
"""Words of a description."""
_STARTS = frozenset(["the", "this", "these", "his", "her", "their", "its", "a", "an", "all", "both"])


def problems_of_target(
    target: str, instruction: str, names: Names, sources: Iterable[str], embed: Embed, least: float
) -> list[str]:
    """What is wrong with a target, in words that a writer can act on.

    What changes must be there (`sources`: the caption and the like) and be named by the instruction; a place for
    something new is only held to its length. `least` as in `ungrounded`.
    """
    words = words_of(target)
    if not is_plain(target) or not 1 <= len(words) <= MOST_WORDS:
        return [f"its target {target!r} is not a few plain words; write 2 to {MOST_WORDS}, such as the red car"]
    if names != "what":
        return []
    order = f"remove {target}" if words[0] in _STARTS else f"remove the {target}"
    things = named(order)
    if not things:
        return [f"its target {target!r} names no thing; name the one that changes"]
    if missing := ungrounded(order, sources, embed, least):
        return [f"its target names {', '.join(map(repr, missing))}, which the caption does not have"]
    said = {folded(word) for word in words_of(instruction)}
    if not any(folded(word) in said for thing in things for word in thing):
        return [f"the instruction does not name its target {target!r}; name it there too"]
    return []


def problems_of_result(result: str) -> list[str]:
    """What is wrong with a description of the edited clip."""
    words = words_of(result)
    if len(words) < LEAST_OF_RESULT:
        return [f"its result has {len(words)} words; describe the edited clip in a sentence"]
    if unsafe := unsafe_words(words):
        return [f"the word {min(unsafe)!r} of its result is not fit for all audiences; leave it out"]
    return []
