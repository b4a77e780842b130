"""Answers a person's wish from the catalogue: by its words and by likeness of sentence vectors, with no language model.

It knows what the looks can do and no more, and says so. The limits of likeness are measured by `bench/wishes.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from memory.sample import Sample
from tools.advisor import Advice, Idea
from tools.catalogue import Catalogue
from tools.catalogue_matcher import CatalogueMatcher, Embed, Match
from tools.catalogue_relative import keeping, relative
from tools.catalogue_replies import CANNOT, WHICH, listed, noted_keeps
from tools.catalogue_turn import ABOUT, LEAST, SPREAD, WHERE, CatalogueTurn, ideas_of, within
from tools.wish import read_wish, region_kept
from tools.wish_words import wish_words

LEAST_OF_ORDER = 0.6
"""Likeness from which a wish is for a look, where it gives an order that looks do not carry out, such as add."""
UNSURE, TIE = 0.47, 0.015
"""Below this likeness, two kinds of edit so near to each other are asked about."""
MOST_LISTED = 8


class CatalogueAdvisor:
    """Implements tools.advisor.Advisor; `embed` gives unit vectors of texts."""

    name = "catalogue"

    def __init__(self, catalogue: Catalogue, embed: Embed) -> None:
        self.matcher = CatalogueMatcher(catalogue, embed)

    async def answer(self, sample: Sample) -> Advice:
        """The answer to the sample's wish."""
        return await asyncio.to_thread(self.answered, sample)

    def answered(self, sample: Sample) -> Advice:
        """The same, on this thread.

        Raises:
            ValueError: the sample was not described.
        """
        if sample.description is None:
            raise ValueError(f"sample {sample.id!r} was not described; its facts decide what can be done")
        wish = read_wish(sample.wish, [each.number for each in sample.proposals])
        turn = CatalogueTurn(sample=sample, wish=wish, facts=sample.description.facts, matcher=self.matcher)
        if wish.asks == "help":
            return Advice(words=turn.capabilities)
        if wish.asks == "surprise":
            return turn.anything()
        if wish.keeps and not wish.content and not wish.measure:
            return keeping(turn)
        return relative(turn) or _asked(turn) or _matched(turn)


def _asked(turn: CatalogueTurn) -> Advice | None:
    """A question, where the wish does not say what is wanted."""
    wish = turn.wish
    if wish.content or wish.measure or wish.things or wish.orders:
        return None
    if wish.refuses:
        return Advice(words=f"Without {listed(wish.refuses, 'or')}: what should it be instead?")
    if wish.family:
        return _of_family(turn, wish.family)
    if wish.push and not wish.generic:
        return Advice(words=WHICH)
    if not wish.generic and len(turn.sample.proposals) > 1:
        return Advice(words=f"Which one: {listed([str(each.number) for each in turn.sample.proposals], 'or')}?")
    return Advice(words=f"{turn.capabilities} What should it be?")


def _of_family(turn: CatalogueTurn, name: str) -> Advice:
    kinds = wish_words().families[name].kinds
    suited = [match.instruction for match in turn.suited(name, least=-1) if match.instruction.edit_type in kinds]
    looks = list(dict.fromkeys(turn.matcher.look_named(each.look) for each in suited))
    if not looks:
        return Advice(words=f"I cannot change the {name} of this clip. {turn.capabilities}")
    if name == "color":
        return Advice(words="The color of what, and which: the whole picture, the background, or the main subject?")
    return Advice(words=f"For this clip I have {listed(looks[:MOST_LISTED], 'and')}. Which of these?")


def _matched(turn: CatalogueTurn) -> Advice:
    """What the catalogue has for the wish."""
    wish = turn.wish
    if kept := region_kept(wish.keeps):
        return _with_kept(turn, kept)
    content = [word for word in wish.content if word not in wish.things]
    text = " ".join(word for word in wish.text.split() if word.strip(",.!?") not in wish.things)
    near = turn.near(text, content, wish.region)
    least = LEAST_OF_ORDER if wish.orders else LEAST
    if not near or near[0].score < least or (wish.things and not content):
        return _cannot(turn)
    suited = [match for match in near if match.suits and match.score >= LEAST]
    if not near[0].suits and (not suited or suited[0].score < near[0].score - SPREAD / 2):
        return _unsuited(turn, near, suited)
    best = within(suited)
    if question := _either(turn, best):
        return question
    notes = [f"It leaves out: {listed(wish.things, 'and')}."] if wish.things else []
    notes += [noted_keeps(wish.keeps)] if wish.keeps else []
    return turn.offered(ideas_of(best, " ".join(notes)), " ".join(notes))


def _either(turn: CatalogueTurn, best: Sequence[Match]) -> Advice | None:
    """A question, where a wish that nothing is really near to could be for either of two kinds of edit."""
    first = best[0]
    others = [match for match in best if match.instruction.edit_type != first.instruction.edit_type]
    if first.score >= UNSURE or not others or others[0].score < first.score - TIE:
        return None
    names = [turn.matcher.named(match.instruction) for match in (first, others[0])]
    return Advice(words=f"Do you mean {listed(names, 'or')}?")


def _with_kept(turn: CatalogueTurn, kept: str) -> Advice:
    """A wish that spares the main subject or the background: done on the other."""
    near = turn.near(turn.wish.text, turn.wish.content, "background" if kept == "subject" else "subject")
    suited = [match for match in near if match.suits and match.score >= ABOUT]
    if not suited:
        return Advice(words=f"I cannot do that and keep {WHERE[kept]} as it is. {turn.lacking(near)}".strip())
    return turn.offered(ideas_of(suited))


def _cannot(turn: CatalogueTurn) -> Advice:
    wish = turn.wish
    said = CANNOT if wish.orders or wish.things else f"I have no look for {turn.sample.wish.strip()!r}."
    near = [text for text, things in wish_words().nearest.items() if things & set(wish.things)]
    matches = [match for text in near for match in turn.suited(text, least=LEAST)[:1]]
    if not matches:
        return Advice(words=f"{said} {turn.capabilities}")
    note = f"It shows no {listed(wish.things, 'or')}."
    return turn.offered([Idea(instruction=match.instruction, note=note) for match in matches], f"{said} Nearest:")


def _unsuited(turn: CatalogueTurn, near: Sequence[Match], suited: Sequence[Match]) -> Advice:
    lacking = turn.lacking(near)
    if not suited:
        return Advice(words=f"{lacking} {turn.capabilities}")
    return turn.offered(ideas_of(suited, lacking)[:2], f"{lacking} What comes nearest here:")
