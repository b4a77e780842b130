"""What an editor can do to a clip, as options that a writer chooses from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from memory.sample import Instruction, Sample, Scope
from tools.catalogue_writer import Suiting, edit_of
from tools.edit_types import EditType, Names


@dataclass(frozen=True, kw_only=True)
class EditOption:
    """One thing that the editor can do."""

    name: str
    scope: Scope
    words: tuple[str, ...] = ()
    """Ways to ask for it; none where the editor follows whatever words it is given."""
    look: str = ""
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    names: Names = ""
    """What a writer must name beside the words, so that it can be found in the clip."""

    @property
    def is_open(self) -> bool:
        """Whether the editor follows whatever words it is given."""
        return not self.look

    def instruction(self, text: str, edit_type: str, target: str = "", result: str = "") -> Instruction:
        """These words for this edit."""
        return Instruction(
            text=text,
            edit_type=edit_type,
            scope=self.scope,
            look=self.look,
            parameters=dict(self.parameters),
            target=target,
            result=result,
        )


Options = Callable[[Sample, str, str], Sequence[EditOption]]
"""Sample, edit type and wish to what can be asked for, best first; none where nothing of this type is left."""


def catalogue_options(suiting: Suiting, most: int) -> Options:
    """An editor by looks does what the catalogue says and no more: the first `most` settings that suit the clip."""

    def options(sample: Sample, edit_type: str, wish: str) -> list[EditOption]:
        settings: dict[tuple[str, str], list[Instruction]] = {}
        for instruction in suiting(sample, edit_type, wish):
            edit = edit_of(instruction)
            if edit in settings or len(settings) < most:
                settings.setdefault(edit, []).append(instruction)
        return [
            EditOption(
                name=same[0].look.replace("_", " "),
                scope=same[0].scope,
                words=tuple(instruction.text for instruction in same),
                look=same[0].look,
                parameters=same[0].parameters,
            )
            for same in settings.values()
        ]

    return options


def open_options(edit_types: Mapping[str, EditType]) -> Options:
    """An editor that follows words does whatever they say: one option for each edit type."""

    def options(sample: Sample, edit_type: str, wish: str) -> list[EditOption]:
        kind = edit_types.get(edit_type)
        return [EditOption(name=kind.about, scope=kind.scope, names=kind.names)] if kind else []

    return options
