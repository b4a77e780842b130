"""What becomes of an edit that is on offer when a person wants it stronger, weaker, warmer, or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from memory.sample import Instruction, Proposal
from tools.advisor import DEFAULT_STRENGTH, LEAST_STRENGTH, MOST_STRENGTH, Idea
from tools.catalogue_matcher import CatalogueMatcher, Match

WORTH_SHOWING = 0.08
"""Of strength: less is not seen beside what was there."""
Facts = Mapping[str, float]


def pushed(matcher: CatalogueMatcher, offered: Proposal, push: float, facts: Facts) -> list[Idea]:
    """The edit stronger by `push` (weaker below 0): in another degree of the look where it has one, and in strength.

    None where it is as strong or as weak as it goes.
    """
    ideas = []
    other = _other_degree(matcher, offered.instruction, 1 if push > 0 else -1, facts)
    strength = round(min(MOST_STRENGTH, max(LEAST_STRENGTH, offered.strength + push)), 2)
    if abs(strength - offered.strength) >= WORTH_SHOWING:
        ideas.append(Idea(instruction=offered.instruction, strength=strength))
    if other is not None:
        ideas.append(
            Idea(instruction=other, strength=max(offered.strength, DEFAULT_STRENGTH) if push > 0 else offered.strength)
        )
    return ideas


def further(
    matcher: CatalogueMatcher, of: Instruction, measure: str, direction: int, facts: Facts, least: float
) -> list[Match]:
    """Edits like this one that go further in a measure (`direction` 1 or -1), nearest first."""
    own = _expected(matcher, of, measure) * direction
    near = matcher.near(of.text, (), facts, matcher.region_of(of))
    return [
        match
        for match in near
        if match.suits
        and match.score >= least
        and match.instruction.edit_type == of.edit_type
        and _expected(matcher, match.instruction, measure) * direction > max(own, 0)
    ]


def expects(matcher: CatalogueMatcher, of: Instruction, measure: str) -> int:
    """Whether an edit raises a measure (1), lowers it (-1) or leaves it."""
    change = _expected(matcher, of, measure)
    return (change > 0) - (change < 0)


def _expected(matcher: CatalogueMatcher, instruction: Instruction, measure: str) -> float:
    expectation = matcher.catalogue.expectation(instruction)
    changes = expectation.changes if expectation else {}
    return next((change for name, change in changes.items() if name == measure), 0.0)


def _other_degree(matcher: CatalogueMatcher, of: Instruction, direction: int, facts: Facts) -> Instruction | None:
    """The look in its next degree, where it has one and the clip allows it."""
    degree = matcher.variant_of(of)[1].degree
    if not degree:
        return None
    for instruction in matcher.texts(of.look):
        if matcher.variant_of(instruction)[1].degree == degree + direction and matcher.suits(instruction, facts):
            return instruction
    return None
