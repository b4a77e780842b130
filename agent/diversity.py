"""How varied a dataset is: its instructions, its edit types, and the pictures that came of them."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memory.sample import Sample

AT_MOST = 1000
"""Samples that nearest neighbours are sought among; of more, so many are drawn by a fixed seed."""
_ADVERBS = frozenset({"very", "much", "quite", "rather", "too", "so", "just", "almost"})
"""Besides what ends in -ly."""
_NOT_ADVERBS = frozenset({"early", "lively", "family", "butterfly", "july", "fly", "lily"})

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Thumbnail = Callable[[Sample], NDArray[np.float32]]
"""A sample to CIE L*a*b* of its edited key frame, a small HWC picture."""


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """Of a set of samples; None where there are too few to say."""

    samples: int
    compared: int
    """Samples that the similarity and the distance were taken over."""
    distinct_instructions: int
    """After case, punctuation, numbers and adverbs are stripped."""
    similarity_mean: float | None
    """Cosine of each instruction with its nearest neighbour, 1 the same, 0 unrelated."""
    similarity_median: float | None
    entropy: float | None
    """Over edit types, 0 (all of one type) to 1 (all types that occur equally often)."""
    edit_types: int
    global_share: float | None
    picture_distance: float | None
    """Mean CIELAB distance (CIE76) of each edited key frame's 32x18 thumbnail from its nearest neighbour."""

    @property
    def distinct_share(self) -> float | None:
        """Distinct instructions by sample."""
        return self.distinct_instructions / self.samples if self.samples else None

    def lines(self) -> list[str]:
        """For a person, in one or two lines."""
        if not self.samples:
            return []
        words = [f"{self.distinct_instructions} of {self.samples} instructions distinct ({self.distinct_share:.0%})"]
        if self.similarity_mean is not None:
            figures = f"{self.similarity_mean:.2f} (median {self.similarity_median:.2f})"
            words.append(f"nearest-neighbour similarity {figures}")
        if self.picture_distance is not None:
            words.append(f"nearest key frames {self.picture_distance:.1f} CIELAB apart")
        if self.compared < self.samples:
            words.append(f"neighbours among {self.compared:,} drawn at random")
        whole = self.global_share or 0.0
        kinds = f"{self.edit_types} edit types, entropy {self.entropy or 0.0:.2f} of 1"
        return [", ".join(words), f"{kinds}, global:local {100 * whole:.0f}:{100 * (1 - whole):.0f}"]

    def record(self) -> dict[str, JsonValue]:
        """For scripts; null where there is too little to say."""
        return {
            "samples": self.samples,
            "compared": self.compared,
            "distinct_instructions": self.distinct_instructions,
            "distinct_share": _short(self.distinct_share),
            "nearest_similarity_mean": _short(self.similarity_mean),
            "nearest_similarity_median": _short(self.similarity_median),
            "edit_types": self.edit_types,
            "edit_type_entropy": _short(self.entropy),
            "global_share": _short(self.global_share),
            "nearest_key_frame_distance": _short(self.picture_distance),
        }


def diversity(samples: Sequence[Sample], embed: Embed | None = None, thumbnail: Thumbnail | None = None) -> Diversity:
    """Measure samples that have an instruction; others are left out.

    Without `embed` or `thumbnail` what needs them is None. A thumbnail may raise OSError for a picture that is gone:
    the sample is then left out of the distance.
    """
    told = [(sample, sample.instruction) for sample in samples if sample.instruction]
    some = random.Random(0).sample(told, AT_MOST) if len(told) > AT_MOST else told
    similar = None
    if embed is not None and len(some) > 1:
        vectors = embed([instruction.text for _, instruction in some])
        similar = nearest(lambda rows: 1 - vectors[rows] @ vectors.T, len(vectors))
    kinds = Counter(instruction.edit_type for _, instruction in told)
    scopes = Counter(instruction.scope for _, instruction in told)
    return Diversity(
        samples=len(told),
        compared=len(some),
        distinct_instructions=len({stripped(instruction.text) for _, instruction in told}),
        similarity_mean=None if similar is None else float(1 - similar.mean()),
        similarity_median=None if similar is None else float(1 - np.median(similar)),
        entropy=entropy(list(kinds.values())),
        edit_types=len(kinds),
        global_share=scopes["global"] / scopes.total() if told else None,
        picture_distance=None if thumbnail is None else _picture_distance([sample for sample, _ in some], thumbnail),
    )


def stripped(text: str) -> str:
    """A text in lower case without punctuation, numbers and adverbs: what two rewordings at least must differ in."""
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    return " ".join(word for word in words if word in _NOT_ADVERBS or not (word in _ADVERBS or word.endswith("ly")))


def entropy(counts: Sequence[int]) -> float | None:
    """Shannon entropy of counts as a share of the most that so many kinds can have, 0..1; None for no counts."""
    found = np.array([count for count in counts if count > 0], np.float64)
    if len(found) == 0:
        return None
    if len(found) == 1:
        return 0.0
    shares = found / found.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(found)))


def nearest(distances: Callable[[slice], NDArray[np.float32]], number: int) -> NDArray[np.float32]:
    """Each item's distance from its nearest other, N; `distances` gives the rows of a slice to all items."""
    found = np.empty(number, np.float32)
    step = 64
    for start in range(0, number, step):
        rows = slice(start, min(start + step, number))
        block = np.array(distances(rows), np.float32)
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = np.inf
        found[rows] = block.min(axis=1)
    return found


def _picture_distance(samples: Sequence[Sample], thumbnail: Thumbnail) -> float | None:
    pictures = []
    for sample in samples:
        try:
            pictures.append(thumbnail(sample))
        except OSError:  # pruned by the retention setting
            continue
    if len(pictures) < 2:
        return None
    flat = np.stack(pictures).reshape(len(pictures), -1, 3)

    def distances(rows: slice) -> NDArray[np.float32]:
        return np.stack([np.linalg.norm(flat - one, axis=2).mean(axis=1) for one in flat[rows]])

    return float(nearest(distances, len(flat)).mean())


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
