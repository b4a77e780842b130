"""What a writer is told: the clip's caption, what may be asked for, how long, and what was asked before."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from string import ascii_uppercase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from memory.sample import Sample
from prompts.library import Prompt, render
from tools.edit_options import EditOption
from tools.edit_types import Names
from tools.instruction_checks import MOST_CHARACTERS, Form, problems_of_form
from tools.write_instruction import Refused

LENGTHS = (6, 9, 12, 16, 22)
"""Words aimed for, drawn by the sample's seed: data sets want short and long instructions."""
MOST_OPTIONS = 12
MOST_OF_TARGET, MOST_OF_RESULT = 80, 600
"""Characters."""
_EXAMPLES = 2
_SEEN_SHARE = 0.04
_FACT_WORDS = {"greenery": "greenery green foliage plants grass leaves", "sky": "sky clouds"}
"""What a measured share of the picture lets a writer name."""


class Written(BaseModel):
    """An answer, in the order in which the model writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: str = Field(min_length=1, max_length=200)
    option: str
    instruction: str = Field(min_length=1, max_length=MOST_CHARACTERS)


class WrittenOpenly(Written):
    """An answer for an editor that follows words."""

    result: str = Field(min_length=1, max_length=MOST_OF_RESULT)


class WrittenWithTarget(Written):
    """The same where the edit is of a part of the picture, which has to be found."""

    target: str = Field(min_length=1, max_length=MOST_OF_TARGET)
    result: str = Field(min_length=1, max_length=MOST_OF_RESULT)


@cache
def answer_type(count: int, is_open: bool = False, names: Names = "") -> type[Written]:
    """The answer where this many options are offered: it names one of them."""
    letters: Any = Literal[tuple(ascii_uppercase[:count])]
    base = WrittenWithTarget if names else WrittenOpenly if is_open else Written
    return create_model("Written", __base__=base, option=(letters, ...))


def words_aimed_for(seed: int) -> int:
    """About how many words the instruction of a sample should have."""
    return random.Random(f"{seed} words").choice(LENGTHS)


def form_of(words: int, edits: int) -> Form:
    """How far from its length an instruction may be: half, or half as much again and a little."""
    return Form(fewest_words=max(3, words // 2), most_words=words * 3 // 2 + 3, edits=edits)


def system_prompt(edits: int, is_open: bool = False, names: Names = "") -> Prompt:
    """Who the writer is and the rules of the task."""
    return render("writer_system", edits=edits, is_open=is_open, names=names)


def task_text(
    sample: Sample, edit_type: str, wish: str, options: Sequence[EditOption], avoid: Sequence[str], words: int
) -> str:
    """The task as JSON between marks; whatever it holds is data.

    Raises:
        ValueError: the sample was not described.
    """
    if sample.description is None:
        raise ValueError(f"sample {sample.id!r} was not described; an instruction is written from its caption")
    lessons = [diagnosis.change for diagnosis in sample.diagnoses if diagnosis.stage == "instruction"]
    task: dict[str, JsonValue] = {
        "edit_type": edit_type,
        "scope": options[0].scope,
        "caption": sample.description.caption,
        "options": {letter: _told(option) for letter, option in zip(ascii_uppercase, options, strict=False)},
        "words": words,
        "avoid": list(avoid),
        "wish": wish,
        "lesson": lessons[-1] if lessons else "",
    }
    return render("writer_task", task=task).text


def mend_text(refused: Sequence[Refused]) -> str:
    """What was wrong with the answers so far."""
    told = [{"instruction": each.text, "problem": each.problem} for each in refused]
    return render("writer_mend", refused=told).text


def grounds(sample: Sample, facts: Mapping[str, float]) -> list[str]:
    """What the caption and the measured facts say is there."""
    caption = sample.description.caption if sample.description else ""
    return [caption, *(words for fact, words in _FACT_WORDS.items() if facts.get(fact, 0.0) > _SEEN_SHARE)]


def _told(option: EditOption) -> JsonValue:
    """The option by its name and by examples that would pass themselves."""
    plain = [words for words in option.words if not problems_of_form(words, Form())]
    return {"does": option.name, "for_example": list((plain or list(option.words))[:_EXAMPLES])}
