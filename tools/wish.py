"""A person's wish taken apart by its words: what they want, where, how strongly, and what is to stay as it is.

It reads words, not meaning; what the words mean is found by likeness to the catalogue (`catalogue_matcher`). Whatever a
wish says, it is looked up and never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tools.wish_words import Region, wish_words

STEP = 0.25
"""Of strength, that "stronger" adds."""
MUCH, SLIGHTLY = 1.75, 0.5
_WORD = re.compile(r"[a-zà-öø-ÿ]+(?:'[a-z]+)?")
_COUNTED = re.compile(r"\b(?:more|less|fewer) ([a-z]+)")
_NUMBER = re.compile(
    r"\b(?:(?:in|of|to|like|make|take|for|with) )?(?:the )?"
    r"(?:(?:number|proposal|option|no) ?(?P<named>[0-9]{1,6})|(?P<nth>first|second|third)(?: one| proposal| option)"
    r"|(?P<bare>[0-9]{1,6})(?= (?:but|is|with|stronger|weaker|more|less|only|in|on)\b|$|,))(?: but)?"
)
_NTH = ("first", "second", "third")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person said, taken apart."""

    text: str
    """What is to be looked up: without what is to stay, and what is not wanted."""
    content: tuple[str, ...] = ()
    """Its words that say what; none where it only says how much, where or which."""
    region: Region | Literal[""] = ""
    push: float = 0.0
    """How much stronger (or weaker, below 0), in strength."""
    measure: str = ""
    """Of the catalogue's expectations, where the wish is for more or less of one."""
    direction: int = 0
    """Of the measure: 1 for more, -1 for less."""
    keeps: str = ""
    """What is to stay as it is, in the person's words."""
    refuses: tuple[str, ...] = ()
    """What is not wanted."""
    family: str = ""
    """The kind of change that is named without saying which."""
    generic: tuple[str, ...] = ()
    """Words that say nothing by themselves, such as nicer."""
    orders: tuple[str, ...] = ()
    """Words for what no look does, such as zoom."""
    things: tuple[str, ...] = ()
    """Words for what no look shows, such as rainbow."""
    counted: tuple[str, ...] = ()
    """The words that stand right after "more" or "less"."""
    asks: Literal["", "help", "surprise", "another"] = ""
    number: int = 0
    """Of the proposal that it is about, 0 where it names none."""


def read_wish(said: str, offered: Sequence[int] = ()) -> Wish:
    """A wish taken apart; `offered` are the numbers of the proposals that it may speak of."""
    words = wish_words()
    text = " ".join(said.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    text = text.replace("colour", "color").replace("grey", "gray")  # as the catalogue spells them
    number, text = _number(text, offered)
    kept = next((found["what"].strip() for found in words.keeps.finditer(text)), "")
    text = words.keeps.sub(" ", text)
    spared = [found for found in words.refuses.finditer(text) if not _content(found["what"])]
    if not kept and (part := next((found for found in spared if region_kept(found["what"])), None)):
        kept, text = part["what"].strip(), f"{text[: part.start()]} {text[part.end() :]}"
    refused = tuple(found["what"].strip() for found in words.refuses.finditer(text) if _content(found["what"]))
    text = _tidy(words.refuses.sub(lambda found: " " if _content(found["what"]) else found[0], text))
    measure, direction = _measured(text)
    tokens = _WORD.findall(text)
    things = tuple(token for token in tokens if token in words.things)
    orders = tuple(token for token in tokens if token in words.orders)
    asks: Literal["", "help", "surprise", "another"] = ""
    if words.help.search(text):
        asks = "help"
    elif words.surprise.search(text):
        asks = "surprise"
    elif words.another.search(text):
        asks = "another"
    push = _push(text)
    return Wish(
        text=text,
        content=_content(text),
        region=next((region for region, pattern in words.regions.items() if pattern.search(text)), ""),
        push=push,
        measure=measure,
        direction=-direction if push < 0 else direction,
        keeps=kept,
        refuses=refused,
        family=next((name for name, family in words.families.items() if family.words & set(tokens)), ""),
        generic=tuple(token for token in _WORD.findall(_unpushed(text)) if token in words.generic),
        orders=orders,
        counted=tuple(_COUNTED.findall(text)),
        things=things,
        asks=asks,
        number=number,
    )


def region_kept(keeps: str) -> Region | Literal[""]:
    """The part of the picture that is to stay, where it is one that can be told apart."""
    patterns = wish_words().regions
    return next((region for region in ("background", "subject") if patterns[region].search(keeps)), "")


def _content(text: str) -> tuple[str, ...]:
    """The words that say what: neither how much, nor where, nor in general."""
    words, text = wish_words(), _unpushed(text)
    for pattern in words.regions.values():
        text = pattern.sub(" ", text)
    for directions in words.measures.values():
        text = directions.less.sub(" ", directions.more.sub(" ", text))
    rest = words.another.sub(" ", text)
    idle = words.filler | words.generic
    return tuple(token for token in _WORD.findall(rest) if token not in idle)


def _unpushed(text: str) -> str:
    """Without the words that say how much."""
    words = wish_words()
    for pattern in (words.much, words.slightly, words.weaker, words.stronger):
        text = pattern.sub(" ", text)
    return text


def _measured(text: str) -> tuple[str, int]:
    for measure, directions in wish_words().measures.items():
        if directions.less.search(text):
            return measure, -1
        if directions.more.search(text):
            return measure, 1
    return "", 0


def _push(text: str) -> float:
    words = wish_words()
    slightly = words.slightly.search(text)
    weaker, stronger = words.weaker.search(text), words.stronger.search(text)
    if not (weaker or stronger or slightly):
        return 0.0
    # "A bit" alone is less, and "a little more subtle" is too.
    sign = -1 if weaker or not stronger else 1
    size = SLIGHTLY if slightly and (weaker or stronger) else MUCH if words.much.search(text) else 1.0
    return sign * STEP * size


def _number(text: str, offered: Sequence[int]) -> tuple[int, str]:
    """The proposal that is spoken of, and the words without it."""
    found = _NUMBER.search(text) if offered else None
    if found is None:
        return 0, text
    if found["nth"]:
        place = _NTH.index(found["nth"])
        number = offered[place] if place < len(offered) else 0
    else:
        number = int(found["named"] or found["bare"])
    if number not in offered:
        return 0, text
    return number, _tidy(text[: found.start()] + " " + text[found.end() :])


def _tidy(text: str) -> str:
    text = " ".join(text.split()).strip(" ,.;")
    return re.sub(r"^(?:and|but|then|or)\b|\b(?:and|but|then|or)$", "", text).strip(" ,.;")
