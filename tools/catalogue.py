"""What can be asked for: every look with its words, the clips it suits and the change it must make."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from memory.sample import Instruction, Scope

CATALOGUE_PATH = Path(__file__).parents[1] / "prompts" / "catalogue.yaml"
MIN_WORDS, MAX_WORDS = 4, 25

Measure = Literal[
    "lightness",
    "warmth",
    "redness",
    "colourfulness",
    "fine_detail",
    "whiteness",
    "target_colour",
]


Needs = dict[str, tuple[float, float]]
"""Fact -> (least, most)."""


class Expectation(BaseModel):
    """What must be seen to have changed when an edit was done as asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: Literal["all", "subject", "background"]
    changes: dict[Measure, float] = Field(min_length=1)
    """Measure -> the signed change that earns full credit."""


class Entry(BaseModel):
    """One look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit_type: str
    scope: Scope
    requires: tuple[Needs, ...] = Field(min_length=1)
    """Alternatives: a clip must satisfy all of one; a fact it lacks is not satisfied."""
    parameters: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Name -> value for the editor -> words for the instruction."""
    phrasings: tuple[str, ...] = Field(min_length=1)
    expect: Expectation

    def suits(self, facts: Mapping[str, float]) -> bool:
        """Whether the look may be offered for a clip of these facts."""
        return any(
            all(least <= facts.get(name, float("nan")) <= most for name, (least, most) in needs.items())
            for needs in self.requires
        )

    def instructions(self, look: str) -> Iterator[Instruction]:
        """Every phrasing with every combination of parameters."""
        for values in product(*self.parameters.values()):
            chosen = dict(zip(self.parameters, values, strict=True))
            words = {name: self.parameters[name][value] for name, value in chosen.items()}
            for phrasing in self.phrasings:
                yield Instruction(
                    text=phrasing.format(**words),
                    edit_type=self.edit_type,
                    scope=self.scope,
                    look=look,
                    parameters=dict(chosen),
                )


class Catalogue(BaseModel):
    """All looks, by name. `load` reads the one that ships with the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds_of_clip: dict[str, Needs]
    """Needs that several entries share; the file refers to them by YAML anchors."""
    looks: dict[str, Entry]

    @classmethod
    def load(cls, path: Path = CATALOGUE_PATH) -> Self:
        """Read a catalogue.

        Raises:
            pydantic.ValidationError: an entry has an unknown key, an unsound phrasing, or a text that another one has.
        """
        return cls.model_validate(yaml.safe_load(path.read_text()))

    @model_validator(mode="after")
    def _sound(self) -> Self:
        seen: dict[str, str] = {}
        for instruction in self._instructions():
            text, look = instruction.text, instruction.look
            if not MIN_WORDS <= len(text.split()) <= MAX_WORDS:
                raise ValueError(f"{look}: {text!r} should have {MIN_WORDS} to {MAX_WORDS} words")
            if seen.setdefault(_plain(text), look) != look:
                raise ValueError(f"{text!r} stands under both {seen[_plain(text)]!r} and {look!r}; reword one")
        return self

    @property
    def edit_types(self) -> list[str]:
        """All edit types, in the order of the file."""
        return list(dict.fromkeys(entry.edit_type for entry in self.looks.values()))

    def offers(self, facts: Mapping[str, float]) -> list[str]:
        """The edit types that can be done on a clip of these facts, in the order of the file."""
        return list(dict.fromkeys(entry.edit_type for entry in self.looks.values() if entry.suits(facts)))

    def variants(self, edit_type: str, facts: Mapping[str, float], seed: int) -> Iterator[Instruction]:
        """Instructions of a type for such a clip, by seed; neighbours differ in look or parameter."""
        chance = random.Random(f"{seed} {edit_type}")
        groups: dict[str, list[Instruction]] = {}
        for look, entry in self.looks.items():
            if entry.edit_type == edit_type and entry.suits(facts):
                for instruction in entry.instructions(look):
                    groups.setdefault(f"{look} {sorted(instruction.parameters.items())}", []).append(instruction)
        queues = list(groups.values())
        for queue in queues:
            chance.shuffle(queue)
        chance.shuffle(queues)
        for turn in range(max(map(len, queues), default=0)):
            yield from (queue[turn] for queue in queues if turn < len(queue))

    def expectation(self, instruction: Instruction) -> Expectation | None:
        """What an instruction's look must change; None for words that no look stands behind."""
        entry = self.looks.get(instruction.look)
        return entry.expect if entry else None

    def match(self, text: str) -> Instruction | None:
        """The instruction with these words, whatever their case, punctuation and spelling of colour; or None."""
        return self._by_text.get(_plain(text))

    def _instructions(self) -> Iterator[Instruction]:
        for look, entry in self.looks.items():
            yield from entry.instructions(look)

    @cached_property
    def _by_text(self) -> dict[str, Instruction]:
        return {_plain(instruction.text): instruction for instruction in self._instructions()}


def _plain(text: str) -> str:
    words = re.findall(r"[a-z0-9]+", text.lower().replace("colour", "color").replace("grey", "gray"))
    return " ".join(words)
