"""What a model is told of a conversation, and the answer that it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from memory.sample import Instruction, Sample
from prompts.library import Prompt, render
from tools.advisor import LEAST_STRENGTH, MOST_IDEAS, MOST_STRENGTH
from tools.edit_options import EditOption
from tools.edit_types import EditType
from tools.instruction_checks import MOST_CHARACTERS
from tools.write_instruction import Refused
from tools.writer_task import MOST_OF_RESULT, MOST_OF_TARGET

MOST_TALK = 16
"""Things said before that are shown."""
MOST_REPLY, MOST_LEFT_OUT = 600, 200
"""Characters."""
CANNOT_BY_LOOKS = ("add or remove things", "change people", "change motion", "add text", "two edits at once")
"""What an editor by looks never does."""
_EXAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class TalkOption:
    """Something that the editor can do to the clip."""

    edit_type: str
    option: EditOption


TalkOptions = Callable[[Sample], Sequence[TalkOption]]
"""A sample to what may be offered, what is nearest to its wish first; at most as many as there are letters."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WrittenEdit(_Strict):
    """An edit to show the person."""

    option: str
    instruction: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    strength: float = Field(ge=LEAST_STRENGTH, le=MOST_STRENGTH)
    leaves_out: str = Field(max_length=MOST_LEFT_OUT)


class OpenEdit(WrittenEdit):
    """The same for an editor that follows words."""

    target: str = Field(max_length=MOST_OF_TARGET)
    result: str = Field(max_length=MOST_OF_RESULT)


class TalkAnswer(_Strict):
    """An answer, in the order in which the model writes it."""

    plan: str = Field(min_length=1, max_length=240)
    reply: str = Field(min_length=1, max_length=MOST_REPLY)
    asks: bool


class AnswerWithEdits(TalkAnswer):
    """The same with the edits of whatever type."""

    edits: Sequence[WrittenEdit] = Field(max_length=MOST_IDEAS)


@cache
def answer_type(count: int, is_open: bool) -> type[AnswerWithEdits]:
    """The answer where this many options are offered: each edit names one of them."""
    letters: Any = Literal[tuple(ascii_uppercase[:count])]
    edit = create_model("Edit", __base__=OpenEdit if is_open else WrittenEdit, option=(letters, ...))
    edits: Any = (list[edit], Field(max_length=MOST_IDEAS))
    return create_model("TalkAnswer", __base__=AnswerWithEdits, edits=edits)


def talk_system(is_open: bool) -> Prompt:
    """Who the model is in a conversation, and the rules of it."""
    return render("talk_system", is_open=is_open)


def talk_text(sample: Sample, options: Sequence[TalkOption]) -> str:
    """The conversation as JSON between marks; whatever it holds is data.

    Raises:
        ValueError: the sample was not described.
    """
    if sample.description is None:
        raise ValueError(f"sample {sample.id!r} was not described; an answer goes by its caption")
    lettered = list(zip(ascii_uppercase, options, strict=False))
    letters = {_place(each.option, each.edit_type): letter for letter, each in lettered}
    task: dict[str, JsonValue] = {
        "caption": sample.description.caption,
        "options": {letter: _told(each) for letter, each in lettered},
        "on_offer": {
            str(each.number): {
                "option": letters.get(_place(each.instruction), ""),
                "instruction": each.instruction.text,
                "strength": each.strength,
                "leaves_out": each.note,
                "could_not_be_shown": each.problem,
            }
            for each in sample.proposals
        },
        "about": sample.focus or sample.approved,
        "cannot": [] if any(each.option.is_open for each in options) else list(CANNOT_BY_LOOKS),
        "talk": [{"by": said.by, "words": said.words} for said in sample.talk[:-1][-MOST_TALK:]],
        "wish": sample.wish,
    }
    return render("talk_task", task=task).text


def talk_mend(refused: Sequence[Refused]) -> str:
    """What was wrong with the edits of an answer."""
    return render("talk_mend", refused=[{"instruction": each.text, "problem": each.problem} for each in refused]).text


def open_talk_options(
    edit_types: Mapping[str, EditType], suited: Callable[[Mapping[str, float]], Iterable[str]]
) -> TalkOptions:
    """An editor that follows words: one option for each edit type that suits the clip."""

    def options(sample: Sample) -> list[TalkOption]:
        facts = sample.description.facts if sample.description else {}
        kinds = [(name, edit_types[name]) for name in suited(facts)]
        return [
            TalkOption(edit_type=name, option=EditOption(name=kind.about, scope=kind.scope, names=kind.names))
            for name, kind in kinds[: len(ascii_uppercase)]
        ]

    return options


def _place(edit: EditOption | Instruction, edit_type: str = "") -> tuple[str, str, str]:
    kind = edit.edit_type if isinstance(edit, Instruction) else edit_type
    return kind, edit.look, repr(sorted(edit.parameters.items()))


def _told(each: TalkOption) -> JsonValue:
    option = each.option
    told: dict[str, JsonValue] = {"kind": each.edit_type, "scope": option.scope, "does": option.name}
    if option.words:
        told["for_example"] = list(option.words[:_EXAMPLES])
    if option.names:
        told["names"] = "a thing that is there" if option.names == "what" else "a place"
    return told
