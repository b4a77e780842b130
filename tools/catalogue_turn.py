"""One turn of a conversation that the catalogue answers: the wish, what it may be about, and what the clip allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from memory.sample import Proposal, Sample
from tools.advisor import MOST_IDEAS, Advice, Idea
from tools.catalogue_matcher import CatalogueMatcher, Match
from tools.catalogue_replies import capabilities, offered_words, told_amiss
from tools.catalogue_variation import expects
from tools.wish import Wish, read_wish
from tools.wish_words import Region

LEAST = 0.4
"""Likeness from which a wish is taken to be for a look."""
SPREAD = 0.14
"""How much less near than the first another proposal may be."""
ABOUT = 0.3
"""Likeness from which one look comes near to another one's instruction."""
REFUSED = 0.5
"""The same to words for what is not wanted."""
WHERE: Mapping[str, str] = {
    "background": "the background",
    "subject": "the main subject",
    "whole": "the whole picture",
}


@dataclass(frozen=True, kw_only=True)
class CatalogueTurn:
    """What an answer goes by."""

    sample: Sample
    wish: Wish
    facts: Mapping[str, float]
    matcher: CatalogueMatcher
    before: Wish | None = None
    """The person's last wish before that said something."""
    others: int = 1
    """How many times something else was asked for since, this time included."""

    @property
    def about(self) -> Proposal | None:
        """What relative words refer to: the proposal that is named, turned to, or made last; else the first offered."""
        offered = self.sample.proposals
        by_number = {each.number: each for each in offered}
        for number in (self.wish.number, self.sample.focus, self.sample.approved):
            if number in by_number:
                return by_number[number]
        return offered[0] if offered else None

    @property
    def capabilities(self) -> str:
        """What can be done to the clip, in a sentence."""
        return capabilities(self.matcher.catalogue, self.facts)

    def near(self, text: str, content: Sequence[str] = (), region: Region | str = "") -> list[Match]:
        """Settings that are not refused, nearest first, whether or not the clip allows them."""
        found = self.matcher.near(text, content, self.facts, region)
        return [match for match in found if match.instruction.look not in self.refused]

    def suited(
        self, text: str, content: Sequence[str] = (), region: Region | str = "", least: float = ABOUT
    ) -> list[Match]:
        """Those of them that the clip allows and that are near enough."""
        return [match for match in self.near(text, content, region) if match.suits and match.score >= least]

    @cached_property
    def refused(self) -> frozenset[str]:
        """Looks that are something the person does not want."""
        found: set[str] = set()
        for what in self.wish.refuses:
            words = read_wish(what).content or tuple(what.split())
            likeness = self.matcher.likeness(what)
            near = (look for look, score in likeness.items() if score >= REFUSED)
            found |= {*near, *(look for look in likeness if self.matcher.speaks_of(look, words))}
        return frozenset(found)

    def moving(self) -> list[Match]:
        """Settings that change what the wish is to have more or less of, nearest first; those of the clip if any."""
        found = [match for match in self.near(self.wish.text, (), self.wish.region) if self._moves(match)]
        return [match for match in found if match.suits and match.score >= ABOUT] or found

    def _moves(self, match: Match) -> bool:
        """Whether a setting changes what the wish is to have more or less of, in all of the part that it is for."""
        expectation = self.matcher.catalogue.expectation(match.instruction)
        if expectation is None or (not self.wish.region and expectation.region != "all"):
            return False
        return expects(self.matcher, match.instruction, self.wish.measure) == self.wish.direction

    def lacking(self, near: Sequence[Match]) -> str:
        """Why the clip does not allow the nearest; empty where it does."""
        return told_amiss(self.matcher, near[0].instruction, self.facts) if near and not near[0].suits else ""

    def offered(self, ideas: Sequence[Idea], before: str = "", strengths: bool = False) -> Advice:
        """The answer that shows these."""
        shown = tuple(ideas[:MOST_IDEAS])
        return Advice(words=offered_words(self.matcher, shown, before.strip(), strengths), ideas=shown)

    def anything(self, but: frozenset[str] = frozenset()) -> Advice:
        """Edits of different kinds that suit the clip, none of these looks; which goes by how far the talk has come."""
        kinds = self.matcher.catalogue.offers(self.facts)
        if not kinds:
            return Advice(words=self.capabilities)
        seed = self.sample.seed + len(self.sample.talk)
        start = seed % len(kinds)
        found = [
            next(
                (each for each in self.matcher.catalogue.variants(kind, self.facts, seed) if each.look not in but), None
            )
            for kind in [*kinds[start:], *kinds[:start]]
        ]
        return self.offered([Idea(instruction=each) for each in found if each])


def within(matches: Sequence[Match], spread: float = SPREAD) -> list[Match]:
    """Those that are not much less near than the first."""
    return [match for match in matches if match.score >= matches[0].score - spread]


def distinct(matches: Sequence[Match], most: int = MOST_IDEAS) -> list[Match]:
    """At most so many, of different looks before other settings of the same, in their order."""
    firsts: dict[str, Match] = {}
    for match in matches:
        firsts.setdefault(match.instruction.look, match)
    chosen = list(firsts.values())[:most]
    return [*chosen, *(match for match in matches if match not in chosen)][:most]


def ideas_of(matches: Sequence[Match], note: str = "") -> list[Idea]:
    """Different ones of these as ideas."""
    return [Idea(instruction=match.instruction, note=note) for match in distinct(within(matches))] if matches else []
