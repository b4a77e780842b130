"""The words by which a wish is read, as `prompts/wish_words.yaml` has them with their meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from ditto_models.yaml_text import from_yaml

WORDS_PATH = Path(__file__).parents[1] / "prompts" / "wish_words.yaml"
Region = Literal["background", "subject", "whole"]
Words = Annotated[frozenset[str], BeforeValidator(lambda value: value.split() if isinstance(value, str) else value)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Family(_Strict):
    """A kind of change that people name without saying which."""

    words: Words
    kinds: tuple[str, ...]
    """Edit types."""


class Directions(_Strict):
    """Words for more and for less of something."""

    more: re.Pattern[str]
    less: re.Pattern[str]


class WishWords(_Strict):
    """Lists of words in lower case, and patterns."""

    filler: Words
    generic: Words
    families: Mapping[str, Family]
    regions: Mapping[Region, re.Pattern[str]]
    keeps: re.Pattern[str]
    refuses: re.Pattern[str]
    much: re.Pattern[str]
    slightly: re.Pattern[str]
    weaker: re.Pattern[str]
    stronger: re.Pattern[str]
    measures: Mapping[str, Directions]
    another: re.Pattern[str]
    surprise: re.Pattern[str]
    help: re.Pattern[str]
    courtesy: re.Pattern[str]
    question: re.Pattern[str]
    all_kept: re.Pattern[str]
    back: re.Pattern[str]
    back_to: re.Pattern[str]
    foreign: Words
    orders: Words
    things: Words
    colorable: Words
    colors: Words
    nearest: Mapping[str, Words]
    no_subject: str
    needs: Mapping[str, tuple[str, str]]


@cache
def wish_words() -> WishWords:
    """The words that ship with the code.

    Raises:
        pydantic.ValidationError: the file has an unknown key, or a pattern that does not compile.
    """
    return WishWords.model_validate(from_yaml(WORDS_PATH.read_text()))
