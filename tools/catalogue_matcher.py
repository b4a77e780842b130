"""Which of the catalogue's instructions come near to words, by sentence vectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.sample import Instruction
from tools.catalogue import Catalogue, Needs, Variant, is_met
from tools.catalogue_vectors import kept_vectors
from tools.catalogue_writer import edit_of
from tools.instruction_checks import words_of
from tools.instruction_grounding import folded
from tools.wish_words import Region, wish_words

LEXICAL = 0.16
"""What it counts that all words of a wish stand in an instruction as they are."""
NAMED = 0.08
"""What it counts that the look's name is among them."""
UNASKED_REGION = 0.06
"""Taken from edits of a part of the picture where the wish names none."""
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Match:
    """A setting of a look, by the instruction that comes nearest."""

    score: float
    instruction: Instruction
    suits: bool
    """Whether the clip allows it."""


class CatalogueMatcher:
    """Holds every instruction of the catalogue as a vector, made when first asked. Any thread may ask."""

    def __init__(self, catalogue: Catalogue, embed: Embed, kept_at: Path | None = None) -> None:
        """`kept_at`: a folder where the vectors are kept between processes."""
        self.catalogue = catalogue
        self._kept_at = kept_at
        self._embed = embed
        self._lock = threading.Lock()

    def near(
        self, words: str, content: Sequence[str], facts: Mapping[str, float], region: Region | str = ""
    ) -> list[Match]:
        """Every setting, nearest first, whether or not the clip of these facts allows it.

        `content` are the words that say what; `region` the part of the picture that is to change, "" for any.
        """
        scores = self._vectors @ self._embed([words])[0]
        wanted = {folded(word) for word in content}
        best: dict[tuple[str, str], Match] = {}
        for place, instruction in enumerate(self._instructions):
            of = self.region_of(instruction)
            if region and of != region:
                continue
            shared = len(wanted & self._words[place]) / len(wanted) if wanted else 0.0
            score = float(scores[place]) + LEXICAL * shared
            score += NAMED if wanted & set(instruction.look.split("_")) else 0.0
            score -= UNASKED_REGION if of != "whole" and not region else 0.0
            edit = edit_of(instruction)
            if edit not in best or best[edit].score < score:
                best[edit] = Match(score=score, instruction=instruction, suits=self.suits(instruction, facts))
        return sorted(best.values(), key=lambda match: -match.score)

    def likeness(self, words: str) -> Mapping[str, float]:
        """Of words to each look, by its instruction that is nearest to them."""
        best: dict[str, float] = {}
        for instruction, score in zip(self._instructions, self._vectors @ self._embed([words])[0], strict=True):
            best[instruction.look] = max(best.get(instruction.look, -1.0), float(score))
        return best

    def speaks_of(self, look: str, words: Sequence[str]) -> bool:
        """Whether a look's name or any of its instructions has one of these words."""
        wanted = {folded(word) for word in words}
        named = {folded(word) for word in look.split("_")}
        same = (self._words[place] for place, each in enumerate(self._instructions) if each.look == look)
        return bool(wanted & named) or any(wanted & words for words in same)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors ND of texts; those of the catalogue's own are at hand."""
        new = [text for text in dict.fromkeys(texts) if text not in self._places]
        made = dict(zip(new, self._embed(new), strict=True)) if new else {}
        return np.stack([made[text] if text in made else self._vectors[self._places[text]] for text in texts])

    def knows(self, word: str) -> bool:
        """Whether any instruction has a word."""
        return folded(word) in self._vocabulary

    def region_of(self, instruction: Instruction) -> Region:
        """The part of the picture that an instruction changes."""
        if instruction.scope == "global":
            return "whole"
        expected = self.catalogue.expectation(instruction)
        return "subject" if expected and expected.region == "subject" else "background"

    def suits(self, instruction: Instruction, facts: Mapping[str, float]) -> bool:
        """Whether a clip of these facts allows it."""
        return is_met(self._needs(instruction), facts)

    def amiss(self, instruction: Instruction, facts: Mapping[str, float]) -> list[str]:
        """What a clip of these facts lacks for it, in words; of several alternatives, the nearest."""
        if self.region_of(instruction) != "whole" and not facts.get("subject_share"):
            return [wish_words().no_subject]
        each = [_amiss(needs, facts) for needs in self._needs(instruction)]
        fewest = min(range(len(each)), key=lambda place: len(each[place]))
        return each[fewest]

    def named(self, instruction: Instruction) -> str:
        """A setting in a few words for the person: winter snow (deep)."""
        entry = self.catalogue.looks[instruction.look]
        name, _ = self.variant_of(instruction)
        settings = [entry.parameters[key][str(value)] for key, value in _chosen(instruction, entry.parameters)]
        told = [part for part in (name.replace("_", " "), *settings) if part and part not in instruction.look]
        look = self.look_named(instruction.look)
        return f"{look} ({', '.join(told)})" if told else look

    def look_named(self, look: str) -> str:
        """A look for the person: blur around the subject."""
        return look.replace("_", " ").replace("colour", "color").replace(" around", " around the subject")

    def variant_of(self, instruction: Instruction) -> tuple[str, Variant]:
        """The variant of its look that an instruction is of, with its name."""
        entry = self.catalogue.looks[instruction.look]
        fitting = [
            (name, variant)
            for name, variant in entry.variants.items()
            if variant.parameters.items() <= instruction.parameters.items()
        ]
        return max(fitting, key=lambda found: len(found[1].parameters))

    def texts(self, look: str) -> Iterator[Instruction]:
        """All instructions of a look."""
        return self.catalogue.looks[look].instructions(look)

    def _needs(self, instruction: Instruction) -> tuple[Needs, ...]:
        _, variant = self.variant_of(instruction)
        return variant.requires or self.catalogue.looks[instruction.look].requires

    @cached_property
    def _instructions(self) -> list[Instruction]:
        return [instruction for look in self.catalogue.looks for instruction in self.texts(look)]

    @cached_property
    def _words(self) -> list[frozenset[str]]:
        return [frozenset(map(folded, words_of(instruction.text))) for instruction in self._instructions]

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {instruction.text: place for place, instruction in enumerate(self._instructions)}

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset[str]().union(*self._words)

    @property
    def _vectors(self) -> NDArray[np.float32]:
        with self._lock:  # once, though several conversations may ask at the same moment
            return self._embedded

    @cached_property
    def _embedded(self) -> NDArray[np.float32]:
        return kept_vectors([instruction.text for instruction in self._instructions], self._embed, self._kept_at)


def _amiss(needs: Needs, facts: Mapping[str, float]) -> list[str]:
    told, lacks = wish_words().needs, []
    for name, (least, most) in needs.items():
        value = facts.get(name, 0.0)
        if not least <= value <= most:
            lacks.append(told[name][value > most])
    return lacks


def _chosen(instruction: Instruction, parameters: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str | float]]:
    return [(key, instruction.parameters[key]) for key in parameters if key in instruction.parameters]
