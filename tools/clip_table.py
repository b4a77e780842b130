"""The clips that samples are drawn from: the least used first, so that each is used once before any is used twice."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping

from memory.sample import Clip
from tools.result import NoClipLeft


class ClipTable:
    """Counts how often each clip was drawn. Ties are broken by the seed, so that two runs of one seed draw alike."""

    def __init__(
        self,
        clips: Iterable[Clip],
        uses: Mapping[str, int],
        edits_per_clip: int,
        seed: int,
        retired: Collection[str] = (),
    ) -> None:
        self._limit = edits_per_clip
        ordered = sorted(clips, key=lambda clip: clip.clip_id)
        random.Random(seed).shuffle(ordered)
        self._clips = {clip.clip_id: clip for clip in ordered}
        self._uses = {
            clip_id: edits_per_clip if clip_id in retired else min(uses.get(clip_id, 0), edits_per_clip)
            for clip_id in self._clips
        }
        self._left = sum(edits_per_clip - used for used in self._uses.values())
        self._claimed = 0

    def claim(self) -> bool:
        """Promise a clip to a sample that is about to begin; False where none is left."""
        if self._left <= self._claimed:
            return False
        self._claimed += 1
        return True

    def draw(self) -> Clip:
        """The least used clip, counted as used from now.

        Raises:
            NoClipLeft: every clip was used as often as it may be.
        """
        self._claimed = max(0, self._claimed - 1)
        clip_id = min(self._uses, key=self._uses.__getitem__, default=None)
        if clip_id is None or self._uses[clip_id] >= self._limit:
            raise NoClipLeft(f"all {len(self._clips)} clips have had {self._limit} edits each; add clips")
        self._uses[clip_id] += 1
        self._left -= 1
        return self._clips[clip_id]

    def retire(self, clip_id: str) -> None:
        """Draw this clip no more."""
        self._left -= self._limit - self._uses[clip_id]
        self._uses[clip_id] = self._limit
