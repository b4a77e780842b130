"""What a sample may be offered: the edit types that suit its clip, least used first, and routes by scope."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from agent.policy import Offers
from memory.sample import Instruction, Sample

EditTypes = Callable[[Mapping[str, float]], Iterable[str]]
"""Facts of a clip to the edit types that can be done on it."""


class OfferBook:
    """Counts which edits were asked for, over the run and by clip. Filled from the ledger, then kept up by events."""

    def __init__(self, edit_types: EditTypes, routes: Mapping[str, tuple[str, ...]]) -> None:
        self._edit_types = edit_types
        self._routes = routes
        self._uses: Counter[str] = Counter()
        self._by_clip: dict[str, dict[str, Instruction]] = defaultdict(dict)
        self._clips: dict[str, set[str]] = defaultdict(set)

    def note(self, sample: Sample) -> None:
        """Take in a sample's instruction as it is now."""
        if sample.clip is None or sample.instruction is None:
            return
        earlier = self._by_clip[sample.clip.clip_id].get(sample.id)
        if earlier == sample.instruction:
            return
        self._by_clip[sample.clip.clip_id][sample.id] = sample.instruction
        self._clips[sample.clip.uri].add(sample.clip.clip_id)
        self._uses[sample.instruction.edit_type] += 1

    def others(self, sample: Sample) -> list[Instruction]:
        """What other samples ask of the same clip."""
        if sample.clip is None:
            return []
        edits = self._by_clip[sample.clip.clip_id]
        return [instruction for sample_id, instruction in edits.items() if sample_id != sample.id]

    def beside(self, sample: Sample) -> list[Instruction]:
        """What is asked of other clips of the same source."""
        if sample.clip is None:
            return []
        clips = self._clips[sample.clip.uri] - {sample.clip.clip_id}
        return [instruction for clip in sorted(clips) for instruction in self._by_clip[clip].values()]

    def offers(self, sample: Sample) -> Offers:
        """Edit types that suit the clip: those that it had least first, then its source, then the run."""
        if sample.description is None:
            return Offers(edit_types=(), routes=self._routes)
        of_clip = Counter(instruction.edit_type for instruction in self.others(sample))
        of_source = Counter(instruction.edit_type for instruction in self.beside(sample))
        own = sample.instruction.edit_type if sample.instruction else ""
        suited = self._edit_types(sample.description.facts)
        # Ties fall by the sample's seed: samples that decide at the same moment should not all ask the same.
        chance = random.Random(sample.seed)

        def rank(kind: str) -> tuple[bool, int, int, int, float]:
            return kind == own, of_clip[kind], of_source[kind], self._uses[kind], chance.random()

        return Offers(edit_types=tuple(sorted(sorted(suited), key=rank)), routes=self._routes)
