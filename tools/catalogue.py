"""What can be asked for: every look with its words, the clips it suits and the change it must make."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ditto_models.yaml_text import from_yaml
from memory.sample import Instruction, Scope

CATALOGUE_PATH = Path(__file__).parents[1] / "prompts" / "catalogue"
KINDS_FILE = "kinds.yaml"
"""Read before each family's file, which may refer to its anchors."""
MIN_WORDS, MAX_WORDS = 4, 25
T = TypeVar("T")

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


class Variant(BaseModel):
    """One setting of a look: an early autumn, a deep snow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: dict[str, str | float] = Field(default_factory=dict)
    """For the editor."""
    words: dict[str, str] = Field(default_factory=dict)
    """What fills the braces of phrasings."""
    phrasings: tuple[str, ...] = ()
    """Besides those of the entry."""
    requires: tuple[Needs, ...] = ()
    """In place of the entry's, where given."""
    expect: Expectation | None = None
    """In place of the entry's."""
    degree: int = Field(default=0, ge=0)
    """From 1, the faintest, where variants are the same in degrees; 0 where they are not."""


class Entry(BaseModel):
    """One look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit_type: str
    scope: Scope
    requires: tuple[Needs, ...] = Field(min_length=1)
    """Alternatives: a clip must satisfy all of one; a fact it lacks is not satisfied."""
    parameters: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Name -> value for the editor -> words for the instruction; every combination, in every variant."""
    variants: dict[str, Variant] = Field(default_factory=lambda: {"": Variant()})
    phrasings: tuple[str, ...] = ()
    """True of every variant."""
    expect: Expectation

    def instructions(self, look: str, facts: Mapping[str, float] | None = None) -> Iterator[Instruction]:
        """Every phrasing with every variant and combination of parameters; with `facts`, what suits such a clip.

        Raises:
            KeyError: a phrasing has braces that nothing fills.
        """
        for variant in self.variants.values():
            if facts is not None and not is_met(variant.requires or self.requires, facts):
                continue
            for values in product(*self.parameters.values()):
                chosen = dict(zip(self.parameters, values, strict=True))
                words = variant.words | {name: self.parameters[name][value] for name, value in chosen.items()}
                for phrasing in (*self.phrasings, *variant.phrasings):
                    yield Instruction(
                        text=phrasing.format(**words),
                        edit_type=self.edit_type,
                        scope=self.scope,
                        look=look,
                        parameters={**variant.parameters, **chosen},
                    )

    def suits(self, facts: Mapping[str, float]) -> bool:
        """Whether the look, in any variant, may be offered for a clip of these facts."""
        return any(is_met(variant.requires or self.requires, facts) for variant in self.variants.values())

    def expectation(self, parameters: Mapping[str, str | float]) -> Expectation:
        """What must change when the look is done with these parameters."""
        for variant in self.variants.values():
            if variant.expect and variant.parameters.items() <= parameters.items():
                return variant.expect
        return self.expect


def is_met(requires: Sequence[Needs], facts: Mapping[str, float]) -> bool:
    """Whether facts satisfy all of one of the alternatives."""
    return any(
        all(least <= facts.get(name, float("nan")) <= most for name, (least, most) in needs.items())
        for needs in requires
    )


class Catalogue(BaseModel):
    """All looks, by name. `load` reads the one that ships with the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds_of_clip: dict[str, Needs]
    """Needs that several entries share; the file refers to them by YAML anchors."""
    looks: dict[str, Entry]

    @classmethod
    def load(cls, path: Path = CATALOGUE_PATH) -> Self:
        """Read a catalogue: every family's file of a folder, in the order of their names.

        Raises:
            ValueError: two files have a look of one name.
            pydantic.ValidationError: an entry has an unknown key, an unsound phrasing, or a text that another one has.
        """
        return cls._shipped() if path == CATALOGUE_PATH else cls._read(path)

    @classmethod
    @cache
    def _shipped(cls) -> Self:
        """Read once: it takes a sixth of a second, and every session asks for it several times."""
        return cls._read(CATALOGUE_PATH)

    @classmethod
    def _read(cls, path: Path) -> Self:
        kinds = (path / KINDS_FILE).read_text()
        looks: dict[str, object] = {}
        for file in sorted(path.glob("*.yaml")):
            family = from_yaml(kinds + file.read_text())["looks"] if file.name != KINDS_FILE else {}
            if twice := looks.keys() & family.keys():
                raise ValueError(f"{file.name}: {', '.join(sorted(twice))} stands in another file too; rename it")
            looks |= family
        return cls.model_validate({"kinds_of_clip": from_yaml(kinds)["kinds_of_clip"], "looks": looks})

    @model_validator(mode="after")
    def _sound(self) -> Self:
        seen: dict[str, str] = {}
        scopes: dict[str, str] = {}
        for look, entry in self.looks.items():
            if scopes.setdefault(entry.edit_type, entry.scope) != entry.scope:
                raise ValueError(f"{look}: edit type {entry.edit_type!r} has looks of both scopes; split it in two")
            _check_words(look, entry)
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

    @property
    def scopes(self) -> dict[str, Scope]:
        """The scope of each edit type."""
        return {entry.edit_type: entry.scope for entry in self.looks.values()}

    def offers(self, facts: Mapping[str, float]) -> list[str]:
        """The edit types that can be done on a clip of these facts, in the order of the file."""
        return list(dict.fromkeys(entry.edit_type for entry in self.looks.values() if entry.suits(facts)))

    def variants(self, edit_type: str, facts: Mapping[str, float], seed: int) -> Iterator[Instruction]:
        """Instructions of a type for such a clip, by seed; neighbours differ in look or parameter."""
        chance = random.Random(f"{seed} {edit_type}")
        by_look = []
        for look, entry in self.looks.items():
            if entry.edit_type == edit_type and entry.suits(facts):
                settings: dict[str, list[Instruction]] = {}
                for instruction in entry.instructions(look, facts):
                    settings.setdefault(repr(sorted(instruction.parameters.items())), []).append(instruction)
                by_look.append(_in_turn(chance, [_shuffled(chance, queue) for queue in settings.values()]))
        yield from _in_turn(chance, by_look)

    def expectation(self, instruction: Instruction) -> Expectation | None:
        """What an instruction's look must change; None for words that no look stands behind."""
        entry = self.looks.get(instruction.look)
        return entry.expectation(instruction.parameters) if entry else None

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


def _check_words(look: str, entry: Entry) -> None:
    try:
        found = next(entry.instructions(look), None)
        for _ in entry.instructions(look):
            pass
    except KeyError as error:
        raise ValueError(f"{look}: nothing fills {{{error.args[0]}}}; name it under parameters or words") from error
    if found is None:
        raise ValueError(f"{look} has no phrasings; give the entry or its variants some")


def _in_turn(chance: random.Random, queues: Sequence[list[Instruction]]) -> list[Instruction]:
    """The first of each queue, the second of each, and so on; which queue leads is left to chance."""
    ordered = _shuffled(chance, queues)
    return [queue[turn] for turn in range(max(map(len, ordered), default=0)) for queue in ordered if turn < len(queue)]


def _shuffled(chance: random.Random, items: Sequence[T]) -> list[T]:
    return chance.sample(items, len(items))
