"""The words by which instructions are checked, as `prompts/instruction_words.yaml` has them with their meaning."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

from ditto_models.yaml_text import from_yaml

WORDS_PATH = Path(__file__).parents[1] / "prompts" / "instruction_words.yaml"
Words = frozenset[str]


class InstructionWords(BaseModel):
    """Lists of words in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verbs: Words
    ambiguous: Words
    starters: Words
    keeping: Words
    adding: Words
    taking: Words
    spoken: Words
    orders: Words
    unsafe: Words
    scene: Words
    function: Words
    modifiers: Words

    @field_validator("*", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value


@cache
def instruction_words() -> InstructionWords:
    """The lists that ship with the code."""
    return InstructionWords.model_validate(from_yaml(WORDS_PATH.read_text()))
