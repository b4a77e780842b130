"""Whether a model's words for an edit stand: their form, what they take for granted, and whether they are about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memory.instructions import normalise
from tools.edit_options import EditOption
from tools.instruction_about import Likeness
from tools.instruction_checks import Form, problems_of_form
from tools.instruction_grounding import Embed, ungrounded
from tools.target_checks import problems_of_result, problems_of_target


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a model wrote for an edit."""

    text: str
    target: str = ""
    result: str = ""


@dataclass(frozen=True, kw_only=True)
class WrittenChecks:
    """The limits of WriterConfig, and what texts are compared by."""

    embed: Embed
    about_least: float
    about_margin: float
    named_least: float

    def problems(
        self,
        wording: Wording,
        option: EditOption,
        form: Form,
        grounds: Sequence[str],
        likeness: tuple[Likeness, int],
        edit_type: str,
    ) -> list[str]:
        """What is wrong, in words that a writer can act on.

        `grounds` say what is in the clip; `likeness` is over the options that were shown, with the chosen one's place.
        """
        text = wording.text
        return problems_of_form(text, form) or [
            *self._of_meaning(text, option, [*grounds, edit_type.replace("_", " ")], likeness),
            *self._of_target(wording, option, grounds),
            *(problems_of_result(wording.result) if option.is_open else []),
        ]

    def _of_target(self, wording: Wording, option: EditOption, grounds: Sequence[str]) -> list[str]:
        if not option.names:
            return []
        return problems_of_target(wording.target, wording.text, option.names, grounds, self.embed, self.named_least)

    def _of_meaning(
        self, text: str, option: EditOption, sources: Sequence[str], likeness: tuple[Likeness, int]
    ) -> list[str]:
        options, chosen = likeness
        missing = ungrounded(text, [*sources, *option.words], self.embed, self.named_least)
        strayed = options.problem(text, chosen, self.about_least, self.about_margin)
        problems = {
            f"it takes for granted {', '.join(map(repr, missing))}, which the caption does not have": bool(missing),
            "it is an example of its option, word for word; use words of your own": _is_copied(text, option),
            strayed: bool(strayed),
        }
        return [problem for problem, found in problems.items() if found]


def _is_copied(text: str, option: EditOption) -> bool:
    return normalise(text) in map(normalise, option.words)
