"""The catalogue as a writer: instructions of an edit type that suit the clip, those nearest to a wish first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from memory.sample import Instruction, Sample
from tools.catalogue import Catalogue
from tools.write_instruction import Propose

CONSIDERED = 200
"""Variants that a wish is compared with."""
Suiting = Callable[[Sample, str, str], Iterator[Instruction]]
"""Sample, edit type and wish to the catalogue's instructions that suit, best first."""


def propose_from(suiting: Suiting) -> Propose:
    """The catalogue's own words as a writer's."""

    async def propose(sample: Sample, edit_type: str, wish: str) -> AsyncIterator[Instruction]:
        for instruction in suiting(sample, edit_type, wish):
            yield instruction

    return propose


def suiting_from(
    catalogue: Catalogue,
    others: Callable[[Sample], Sequence[Instruction]],
    beside: Callable[[Sample], Sequence[Instruction]],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> Suiting:
    """What the catalogue has for a clip; `others` are the edits that the clip has already, never written again, and
    `beside` those of other clips of its source, written again only when nothing else is left."""

    def suiting(sample: Sample, edit_type: str, wish: str) -> Iterator[Instruction]:
        if sample.description is None:
            raise ValueError(f"sample {sample.id!r} was not described; its facts are needed to choose an edit")
        seed = sample.seed + sample.attempts.get("write_instruction", 0)
        taken = {edit_of(instruction) for instruction in others(sample)}
        if sample.instruction:
            taken.add(edit_of(sample.instruction))
        variants = catalogue.variants(edit_type, sample.description.facts, seed)
        fresh = [variant for variant in variants if edit_of(variant) not in taken]
        if wish:
            return _nearest_first(wish, fresh[:CONSIDERED])
        seen = {edit_of(instruction) for instruction in beside(sample)}
        return iter(sorted(fresh, key=lambda variant: edit_of(variant) in seen))

    def _nearest_first(wish: str, variants: list[Instruction]) -> Iterator[Instruction]:
        if not variants:
            return iter(())
        similarity = embed([variant.text for variant in variants]) @ embed([wish])[0]
        return (variants[place] for place in np.argsort(-similarity, kind="stable"))

    return suiting


def edit_of(instruction: Instruction) -> tuple[str, str]:
    """What an instruction does, whatever its words."""
    return instruction.look, repr(sorted(instruction.parameters.items()))
