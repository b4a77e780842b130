"""What the catalogue's advisor says to the person, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from memory.sample import Instruction
from tools.advisor import Idea
from tools.catalogue import Catalogue
from tools.catalogue_matcher import CatalogueMatcher

AS_FAR = "{number} is as {way} as it goes."
CANNOT = "I cannot do that: I add and remove nothing, and change nobody, no motion and no text."
ONE_AT_A_TIME = "I do one edit at a time, and this cannot be put on top of the other."
NOTHING_YET = "Stronger or weaker than what? Nothing is on offer yet; say what should change."
SHOWN = re.compile(r"(?:Here (?:is|are)|nearest:|place of [0-9]+:) (?P<names>[^.]+(?:\.[0-9]+[^.]*)*)\.")
"""Names of looks, in an answer that shows some."""
MOST_LACKS = 2
"""Reasons that are told of why a look does not suit."""
COLORED = {
    "recolor_greenery": "the plants",
    "recolor_background": "the background",
    "recolor_subject": "the main subject",
}
_KINDS = {
    "season": "the season",
    "weather": "the weather",
    "time_of_day": "the time of day",
    "lighting": "the lighting",
    "color_grade": "the color grade",
    "duotone": "two tones",
    "false_color": "false colors",
    "style": "a drawn or painted style",
    "recolor_greenery": "the color of the plants",
    "recolor_subject": "the color or light of the main subject",
    "subject_lighting": "the color or light of the main subject",
    "background_lighting": "the light, haze, color or style of the background",
    "background_weather": "the light, haze, color or style of the background",
    "recolor_background": "the light, haze, color or style of the background",
    "background_style": "the light, haze, color or style of the background",
}


def capabilities(catalogue: Catalogue, facts: Mapping[str, float]) -> str:
    """What can be done to a clip of these facts, by kind."""
    kinds = list(dict.fromkeys(_KINDS.get(kind, kind.replace("_", " ")) for kind in catalogue.offers(facts)))
    if not kinds:
        return "There is nothing in the catalogue that suits this clip."
    return f"In this clip I can change {listed(kinds, 'and')}; one at a time."


def told_amiss(matcher: CatalogueMatcher, instruction: Instruction, facts: Mapping[str, float]) -> str:
    """Why a look is not offered for a clip."""
    name, lacks = matcher.named(instruction), matcher.amiss(instruction, facts)
    return f"I cannot do {name} here: it needs {listed(lacks[:MOST_LACKS], 'and')}." if lacks else ""


def noted_keeps(what: str, facts: Mapping[str, float]) -> str:
    """That a thing cannot be told apart."""
    if not facts.get("subject_share"):
        return f"I cannot single out {what!r}, for I find no main subject in this clip: an edit falls on all of it."
    can = "I can only tell the main subject from its background, and keep one of the two."
    return f"I cannot single out {what!r}: {can}"


def offered_words(matcher: CatalogueMatcher, ideas: Sequence[Idea], before: str = "", strengths: bool = False) -> str:
    """The ideas in a line, after what is said before them."""
    told = [
        matcher.named(idea.instruction) + (f" at strength {idea.strength:.2f}" if strengths else "") for idea in ideas
    ]
    names = list(dict.fromkeys(told))
    here = "" if before.endswith(":") else "Here is " if len(names) == 1 else "Here are "
    return f"{before} {here}{listed(names, 'and')}.".strip()


def listed(items: Sequence[str], joined: str) -> str:
    """In a sentence: a, b and c."""
    items = list(items)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joined} {items[-1]}" if items else ""
