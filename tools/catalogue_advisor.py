"""Answers a person's wish from the catalogue: by its words and by likeness of sentence vectors, with no language model.

It knows what the looks can do and no more, and says so. The limits of likeness are measured by `bench/wishes.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from memory.sample import Sample
from tools.advisor import Advice, Idea
from tools.catalogue import Catalogue
from tools.catalogue_asides import aside, is_taking_back, taken_back
from tools.catalogue_limits import less_colored, not_singled_out, one_by_one, strange
from tools.catalogue_matcher import CatalogueMatcher, Embed, Match
from tools.catalogue_relative import another, keeping, relative
from tools.catalogue_replies import CANNOT, COLORED, NOTHING_YET, listed, noted_keeps
from tools.catalogue_turn import ABOUT, LEAST, SPREAD, WHERE, CatalogueTurn, ideas_of, within
from tools.wish import Wish, read_wish, region_kept
from tools.wish_words import wish_words

LEAST_OF_ORDER = 0.65
"""Likeness from which a wish is for a look, where it names what looks do not do or show, such as add, or a dragon."""
UNSURE, TIE = 0.47, 0.015
"""Below this likeness, two kinds of edit so near to each other are asked about."""
MOST_LISTED = 8
MOST_REPEATED = 100
"""Characters of a wish that an answer says again."""
_ONLY = re.compile(r"\b(?:only|just) (?P<what>(?:the|this|that|his|her|their) [a-z ]+)")


class CatalogueAdvisor:
    """Implements tools.advisor.Advisor; `embed` gives unit vectors of texts."""

    name = "catalogue"

    def __init__(self, catalogue: Catalogue, embed: Embed, kept_at: Path | None = None) -> None:
        """`kept_at`: a folder where the catalogue's vectors are kept between processes."""
        self.matcher = CatalogueMatcher(catalogue, embed, kept_at)

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
        if is_taking_back(sample.wish):
            return self._back(sample)
        wish = self._plainer(read_wish(_together(sample), [each.number for each in sample.proposals]))
        before, others = _before(sample)
        turn = CatalogueTurn(
            sample=sample,
            wish=wish,
            facts=sample.description.facts,
            matcher=self.matcher,
            before=before,
            others=others + 1,
        )
        if wish.asks == "help":
            return Advice(words=turn.capabilities)
        if said := aside(turn):
            return said
        if wish.asks == "surprise":
            return turn.anything()
        if wish.keeps and not wish.content and not wish.measure:
            return keeping(turn)
        return relative(turn) or _asked(turn) or _matched(turn)

    def _back(self, sample: Sample) -> Advice:
        """What was offered for an earlier wish, made again."""
        earlier = taken_back(sample)
        if not earlier:
            return Advice(words="There is nothing to go back to: say what you want to see.")
        advice = self.answered(sample.model_copy(update={"wish": earlier, "proposals": [], "talk": []}))
        return replace(advice, words=f"Back to {earlier!r}. {advice.words}")

    def _plainer(self, wish: Wish) -> Wish:
        """Without words that the catalogue has not, where the others say what is meant: "I prefer it stronger"."""
        says = wish.push or wish.asks or wish.generic
        strange = not any(map(self.matcher.knows, wish.content)) and not set(wish.content) & set(wish.counted)
        plain = says and strange and not wish.orders and not wish.things
        return replace(wish, content=()) if plain else wish


def _together(sample: Sample) -> str:
    """The wish, and where it answers what is to change with where or the other way round, both."""
    said = [each.words for each in sample.talk if each.by == "person"]
    asked = next((each.words for each in reversed(sample.talk) if each.by == "agent"), "")
    if len(said) < 2 or not asked.rstrip().endswith("?") or sample.proposals:
        return sample.wish
    now, earlier = read_wish(sample.wish), read_wish(said[-2])
    if now.asks or now.push or earlier.content or earlier.measure:
        return sample.wish
    return f"{said[-2]} {sample.wish}"


def _before(sample: Sample) -> tuple[Wish | None, int]:
    """The last wish before this one that says what is wanted, and how often something else was asked for since."""
    said = [each.words for each in sample.talk if each.by == "person"][:-1]
    others = 0
    for words in reversed(said):
        if is_taking_back(words):
            continue
        wish = read_wish(words)
        others += wish.asks == "another" or bool(wish.refuses and not wish.content)
        if (wish.content or wish.measure) and not wish.push and not wish.asks:
            return wish, others
    return None, others


def _asked(turn: CatalogueTurn) -> Advice | None:
    """A question, where the wish does not say what is wanted."""
    wish = turn.wish
    if wish.content or wish.measure or wish.things or wish.orders:
        return None
    if wish.asks == "another" and not wish.family:
        return another(turn)
    if wish.region and turn.before and turn.before.content:
        return _matched(replace(turn, wish=replace(turn.before, region=wish.region)))
    if wish.refuses and not any(map(turn.matcher.knows, " ".join(wish.refuses).split())):
        return Advice(words=f"{CANNOT} {turn.capabilities}")
    if wish.refuses:
        return Advice(words=f"Without {listed(wish.refuses, 'or')}: what should it be instead?")
    if wish.family:
        return _of_family(turn, wish.family)
    if wish.push and not wish.generic:
        return Advice(words=NOTHING_YET)
    if not wish.generic and len(turn.sample.proposals) > 1:
        return Advice(words=f"Which one: {listed([str(each.number) for each in turn.sample.proposals], 'or')}?")
    return Advice(words=f"{turn.capabilities} What should it be?")


def _of_family(turn: CatalogueTurn, name: str) -> Advice:
    wish, kinds = turn.wish, wish_words().families[name].kinds
    suited = [match.instruction for match in turn.suited(name, least=-1) if match.instruction.edit_type in kinds]
    looks = list(dict.fromkeys(turn.matcher.look_named(each.look) for each in suited))
    if not looks:
        return Advice(words=f"I cannot change the {name} of this clip. {turn.capabilities}")
    if name == "color":
        if wish.region:
            return Advice(words=f"Which color should {WHERE[wish.region]} have?")
        kinds_here = {match.edit_type for match in suited}
        of = ["the whole picture", *(where for kind, where in COLORED.items() if kind in kinds_here)]
        return Advice(words=f"The color of what, and which? Here I can color {listed(of, 'or')}. What should it be?")
    return Advice(words=f"For this clip I have {listed(looks[:MOST_LISTED], 'and')}. Which of these?")


def _matched(turn: CatalogueTurn) -> Advice:
    """What the catalogue has for the wish."""
    turn = replace(turn, wish=less_colored(turn.wish))
    wish = turn.wish
    if kept := region_kept(wish.keeps):
        return _with_kept(turn, kept)
    if question := not_singled_out(turn):
        return question
    content = [word for word in wish.content if word not in wish.things]
    text = " ".join(word for word in wish.text.split() if word.strip(",.!?") not in wish.things)
    near = turn.near(text, content, wish.region)
    least = LEAST_OF_ORDER if wish.orders or wish.things else LEAST
    if wish.measure and not content:  # then it is known what must change, whatever else comes near
        near, least = turn.moving(), -1.0
    if not wish.region:  # what a part of the clip lacks is no answer to who named no part
        near = [each for each in near if each.suits or turn.matcher.region_of(each.instruction) == "whole"]
    if not near or near[0].score < least or (wish.things and not content):
        return _cannot(turn)
    if each := one_by_one(turn, near):
        return each
    suited = [match for match in near if match.suits and match.score >= min(least, LEAST)]
    if not near[0].suits and (not suited or suited[0].score < near[0].score - SPREAD / 2):
        return _unsuited(turn, near)
    best = within(suited)
    if content and (question := _either(turn, best)):
        return question
    notes = [f"It leaves out: {listed(wish.things, 'and')}."] if wish.things else []
    notes += [noted_keeps(wish.keeps, turn.facts)] if wish.keeps else []
    unknown = strange(turn, content, best[0].score)
    before = [*notes, f"{unknown} What comes nearest:"] if unknown else notes
    return turn.offered(ideas_of(best, " ".join(notes)), " ".join(before))


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


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= MOST_REPEATED else f"{words[:MOST_REPEATED].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def _cannot(turn: CatalogueTurn) -> Advice:
    wish = turn.wish
    if wish.generic and not wish.orders and not wish.things:
        return Advice(words=f"{turn.capabilities} What should it be?")
    if only := _ONLY.search(wish.text):
        return Advice(words=noted_keeps(only["what"], turn.facts))
    said = CANNOT if wish.orders or wish.things else f"I have no look for {_short(turn.sample.wish)!r}."
    near = [text for text, things in wish_words().nearest.items() if things & set(wish.things)]
    matches = [match for text in near for match in turn.suited(text, least=LEAST)[:1]]
    if not matches:
        return Advice(words=f"{said} {turn.capabilities}")
    note = f"It shows no {listed(wish.things, 'or')}."
    return turn.offered(
        [Idea(instruction=match.instruction, note=note) for match in matches], f"{said} What comes nearest:"
    )


def _unsuited(turn: CatalogueTurn, near: Sequence[Match]) -> Advice:
    lacking = turn.lacking(near)
    same = [each for each in within(near) if each.suits and each.instruction.edit_type == near[0].instruction.edit_type]
    if not same:
        return Advice(words=f"{lacking} {turn.capabilities}")
    return turn.offered(ideas_of(same), f"{lacking} What comes nearest:")
