"""The clips that samples are drawn from: the least used first, so that each is used once before any is used twice."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from memory.sample import Clip
from tools.result import NoClipLeft


class ClipTable:
    """Counts how often each clip was drawn. Ties are broken by the seed, so that two runs of one seed draw alike."""

    def __init__(self, clips: Iterable[Clip], uses: Mapping[str, int], edits_per_clip: int, seed: int) -> None:
        self._limit = edits_per_clip
        ordered = sorted(clips, key=lambda clip: clip.clip_id)
        random.Random(seed).shuffle(ordered)
        self._clips = {clip.clip_id: clip for clip in ordered}
        self._uses = {clip_id: uses.get(clip_id, 0) for clip_id in self._clips}

    def has_clip(self) -> bool:
        """Whether another sample can be drawn."""
        return any(used < self._limit for used in self._uses.values())

    def draw(self) -> Clip:
        """The least used clip, counted as used from now.

        Raises:
            NoClipLeft: every clip was used as often as it may be.
        """
        clip_id = min(self._uses, key=self._uses.__getitem__, default=None)
        if clip_id is None or self._uses[clip_id] >= self._limit:
            raise NoClipLeft(f"all {len(self._clips)} clips have had {self._limit} edits each; add clips")
        self._uses[clip_id] += 1
        return self._clips[clip_id]

    def retire(self, clip_id: str) -> None:
        """Draw this clip no more."""
        self._uses[clip_id] = self._limit
