"""What an editor by looks can do to a clip, as options for a model in a conversation: what is near the wish first."""

from __future__ import annotations

from collections.abc import Sequence

from memory.sample import Instruction, Sample
from tools.catalogue_matcher import CatalogueMatcher
from tools.catalogue_writer import edit_of
from tools.edit_options import EditOption
from tools.talk_task import TalkOption, TalkOptions
from tools.wish import read_wish

OPTIONS = 18
"""Settings that are shown."""
_WORDS = 6
"""Ways to ask for one, that a text is compared with."""


def catalogue_talk_options(matcher: CatalogueMatcher, most: int = OPTIONS) -> TalkOptions:
    """What is on offer and its other settings, then what comes near to the wish, then one look of every other kind."""

    def options(sample: Sample) -> list[TalkOption]:
        facts = sample.description.facts if sample.description else {}
        offered = [each.instruction for each in sample.proposals]
        wish = read_wish(sample.wish)
        found = matcher.near(wish.text or sample.wish, wish.content, facts)
        near = [match.instruction for match in found if match.suits]
        looks = {each.look for each in offered}
        own = [each for each in near if each.look in looks]
        kinds = {each.edit_type: each for each in reversed(near)}
        wanted = [*offered, *own[: most // 3], *near[: most // 2], *kinds.values(), *near]
        chosen = {edit_of(each): each for each in reversed(wanted) if each.look in matcher.catalogue.looks}
        ordered = sorted(chosen.values(), key=lambda each: _first(wanted, each))
        return [_option(matcher, each) for each in ordered[:most]]

    return options


def _first(wanted: Sequence[Instruction], instruction: Instruction) -> int:
    edit = edit_of(instruction)
    return next(place for place, each in enumerate(wanted) if edit_of(each) == edit)


def _option(matcher: CatalogueMatcher, instruction: Instruction) -> TalkOption:
    same = [each.text for each in matcher.texts(instruction.look) if edit_of(each) == edit_of(instruction)]
    return TalkOption(
        edit_type=instruction.edit_type,
        option=EditOption(
            name=matcher.named(instruction),
            scope=instruction.scope,
            words=tuple(same[:_WORDS]),
            look=instruction.look,
            parameters=instruction.parameters,
        ),
    )
