"""Answers to words about what is on offer: stronger, less snow, only the background, warmer, something else."""

from __future__ import annotations

import re

from memory.sample import Proposal
from tools.advisor import Advice, Idea
from tools.catalogue_replies import AS_FAR, ONE_AT_A_TIME, SHOWN, listed, noted_keeps
from tools.catalogue_turn import ABOUT, LEAST, WHERE, CatalogueTurn, distinct, ideas_of
from tools.catalogue_variation import expects, further, pushed
from tools.catalogue_writer import edit_of
from tools.instruction_checks import words_of
from tools.wish import STEP, region_kept
from tools.wish_words import Region, wish_words

NEARER = 0.05
"""In likeness, that another setting of a look must be."""
_LISTED = re.compile(r", | and ")
_PLACES = frozenset(["background", "backdrop", "surroundings", "subject", "person"])


def relative(turn: CatalogueTurn) -> Advice | None:
    """The answer; None where the words are about something else, or nothing is on offer."""
    wish, about = turn.wish, _spoken_of(turn)
    if about is None or wish.orders:
        return None
    if wish.refuses and not wish.content:
        return another(turn)
    says_more = bool(set(wish.generic) - _PLACES)
    if region_kept(wish.keeps):
        return None  # it is for the rest of the picture alone
    if wish.measure and not wish.content and not wish.region:
        return _measured(turn, about)
    if wish.region and not (wish.content or wish.measure or wish.push or says_more):
        return elsewhere(turn, about, wish.region)
    if other := _other_setting(turn, about):
        return other
    if wish.push > 0 and wish.content and not wish.number and not _has_color(turn, about):
        return None  # more of a color that it has not: another edit
    if wish.push and not says_more and not (wish.region and not wish.content):
        return _pushed(turn, about, wish.push)
    return another(turn) if wish.asks == "another" and not wish.family else None


def another(turn: CatalogueTurn) -> Advice:
    """What comes next after what was offered for the last wish that said something."""
    base = turn.before
    shown = frozenset(each.instruction.look for each in turn.sample.proposals) | _shown_before(turn)
    if base:
        found = turn.suited(base.text, base.content, base.region)
        fresh = [match for match in found if match.instruction.look not in shown]
        if chosen := distinct(fresh):
            return turn.offered([Idea(instruction=match.instruction) for match in chosen])
    if turn.wish.refuses:
        return Advice(words=f"Without {listed(turn.wish.refuses, 'or')}: what should it be instead?")
    return turn.anything(shown)


def elsewhere(turn: CatalogueTurn, about: Proposal, region: Region, before: str = "") -> Advice:
    """The edit on another part of the picture; `before` is said first, and stands beside each."""
    if turn.matcher.region_of(about.instruction) == region:
        return Advice(words=f"{before} {about.number} changes {WHERE[region]} only, as it is.".strip())
    near = turn.near(about.instruction.text, (), region)
    suited = [match for match in near if match.suits and match.score >= ABOUT]
    if not suited:
        where = WHERE[region]
        return Advice(words=f"{before} I cannot do {about.number} on {where} alone. {turn.lacking(near)}".strip())
    nearest = f"What comes nearest to {about.number} on {WHERE[region]}."
    return turn.offered(ideas_of(suited, before), f"{before} {nearest}")


def keeping(turn: CatalogueTurn) -> Advice:
    """Only what is to stay was said: the rest is what is on offer, or not said yet."""
    kept, about = region_kept(turn.wish.keeps), turn.about
    before = "" if kept else noted_keeps(turn.wish.keeps, turn.facts)
    if about is None:
        return Advice(words=f"{before} What should change?".strip())
    return elsewhere(turn, about, "subject" if kept == "background" else "background", before)


def _shown_before(turn: CatalogueTurn) -> frozenset[str]:
    """Looks that the agent has shown in this conversation, by its own words."""
    said = [found["names"] for each in turn.sample.talk if each.by == "agent" for found in SHOWN.finditer(each.words)]
    names = {name.partition(" (")[0].partition(" at strength")[0] for each in said for name in _LISTED.split(each)}
    return frozenset(look for look in turn.matcher.catalogue.looks if turn.matcher.look_named(look) in names)


def _spoken_of(turn: CatalogueTurn) -> Proposal | None:
    """The proposal that the words are about."""
    wish = turn.wish
    if not wish.content or wish.number or set(wish.content) <= wish_words().colors:
        return turn.about
    if not wish.push:
        return None
    likeness = turn.matcher.likeness(" ".join(wish.content))
    for each in [*([turn.about] if turn.about else []), *turn.sample.proposals]:
        look = each.instruction.look
        if turn.matcher.speaks_of(look, wish.content) or likeness[look] >= LEAST:
            return each
    return None


def _has_color(turn: CatalogueTurn, about: Proposal) -> bool:
    """Whether a proposal has the colors that are wished for; words for anything else count as had."""
    asked = set(turn.wish.content) & wish_words().colors
    return not asked or bool(asked & set(words_of(about.instruction.text)))


def _pushed(turn: CatalogueTurn, about: Proposal, push: float) -> Advice:
    ideas = pushed(turn.matcher, about, push, turn.facts)
    if not ideas:
        return Advice(words=AS_FAR.format(number=about.number, way="strong" if push > 0 else "faint"))
    return turn.offered(ideas, f"{about.number}, {'stronger' if push > 0 else 'fainter'}.", strengths=True)


def _other_setting(turn: CatalogueTurn, about: Proposal) -> Advice | None:
    """The same look in another color or variant that the words come nearer to; None where there is none."""
    if not turn.wish.content or turn.wish.push < 0:
        return None
    near = turn.suited(" ".join(turn.wish.content), turn.wish.content, turn.matcher.region_of(about.instruction), -1)
    same = [match for match in near if match.instruction.look == about.instruction.look]
    own = next((match.score for match in same if edit_of(match.instruction) == edit_of(about.instruction)), 1.0)
    if not same or same[0].score < max(ABOUT, own + NEARER):
        return None
    return turn.offered([Idea(instruction=same[0].instruction, strength=about.strength)])


def _measured(turn: CatalogueTurn, about: Proposal) -> Advice | None:
    """More or less of something that the catalogue measures: by strength, by an edit like it, or instead of it."""
    wish, has = turn.wish, expects(turn.matcher, about.instruction, turn.wish.measure)
    push = abs(wish.push) or STEP
    if has == -wish.direction:
        return _pushed(turn, about, -push)
    others = further(turn.matcher, about.instruction, wish.measure, wish.direction, turn.facts, ABOUT)
    ideas = pushed(turn.matcher, about, push, turn.facts) if has == wish.direction else []
    settings = {repr(idea.instruction) for idea in ideas}
    ideas += [
        Idea(instruction=match.instruction) for match in distinct(others) if repr(match.instruction) not in settings
    ]
    if ideas:
        return turn.offered(ideas, strengths=has == wish.direction)
    if has:
        return _pushed(turn, about, push)
    note = f"In place of {about.number}, not on top of it."
    instead = ideas_of([match for match in turn.moving() if match.suits], note)
    return turn.offered(instead, f"{ONE_AT_A_TIME} In place of {about.number}:") if instead else None
