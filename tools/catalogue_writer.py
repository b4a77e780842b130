"""The catalogue as a writer: instructions of an edit type that suit the clip, those nearest to a wish first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from memory.sample import Instruction, Sample
from tools.catalogue import Catalogue
from tools.write_instruction import Propose

CONSIDERED = 200
"""Variants that a wish is compared with."""


def propose_from(
    catalogue: Catalogue,
    others: Callable[[Sample], Sequence[Instruction]],
    beside: Callable[[Sample], Sequence[Instruction]],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> Propose:
    """A writer over the catalogue; `others` are the edits that the clip has already, never written again, and
    `beside` those of other clips of its source, written again only when nothing else is left."""

    def propose(sample: Sample, edit_type: str, wish: str) -> Iterator[Instruction]:
        if sample.description is None:
            raise ValueError(f"sample {sample.id!r} was not described; its facts are needed to choose an edit")
        seed = sample.seed + sample.attempts.get("write_instruction", 0)
        taken = {_edit(instruction) for instruction in others(sample)}
        if sample.instruction:
            taken.add(_edit(sample.instruction))
        variants = catalogue.variants(edit_type, sample.description.facts, seed)
        fresh = [variant for variant in variants if _edit(variant) not in taken]
        if wish:
            return _nearest_first(wish, fresh[:CONSIDERED])
        seen = {_edit(instruction) for instruction in beside(sample)}
        return iter(sorted(fresh, key=lambda variant: _edit(variant) in seen))

    def _nearest_first(wish: str, variants: list[Instruction]) -> Iterator[Instruction]:
        if not variants:
            return iter(())
        similarity = embed([variant.text for variant in variants]) @ embed([wish])[0]
        return (variants[place] for place in np.argsort(-similarity, kind="stable"))

    return propose


def _edit(instruction: Instruction) -> tuple[str, str]:
    """What an instruction does, whatever its words."""
    return instruction.look, repr(sorted(instruction.parameters.items()))
