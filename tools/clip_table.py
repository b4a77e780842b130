"""The clips that samples are drawn from: the least used first, so that each is used once before any is used twice.

Clips may be added while samples run. Ties go by the order of adding, which ingest has shuffled by the seed, so that
two runs of one seed draw alike. Ten bytes a clip are kept; the clip itself is fetched when it is drawn.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from memory.sample import Clip
from tools.result import NoClipLeft


class ClipTable:
    """Counts how often each clip was drawn; `fetch` gives a clip by its number."""

    def __init__(self, fetch: Callable[[int], Clip], edits_per_clip: int) -> None:
        self._fetch = fetch
        self._limit = edits_per_clip
        self._numbers = array("q")
        self._uses = bytearray()
        self._with_uses = [0] * (edits_per_clip + 1)
        self._known = bytearray()
        self._drawn: dict[str, int] = {}
        self._claimed = 0
        self.complete = False
        """Whether no clip will be added any more; only then may a clip be used again."""

    def add(self, number: int, uses: int = 0) -> None:
        """Take up a clip that was drawn so often already; one that is here stays as it is."""
        self._known.extend(bytes(max(0, number + 1 - len(self._known))))
        if self._known[number]:
            return
        self._known[number] = 1
        self._numbers.append(number)
        self._uses.append(min(uses, self._limit))
        self._with_uses[self._uses[-1]] += 1

    @property
    def fresh(self) -> int:
        """Clips that were never drawn and are promised to nobody."""
        return max(0, self._with_uses[0] - self._claimed)

    def claim(self) -> bool:
        """Promise a clip to a sample that is about to begin; False where there is none now."""
        if self.fresh == 0 and not (self.complete and self._left > self._claimed):
            return False
        self._claimed += 1
        return True

    def draw(self) -> Clip:
        """The least used clip, counted as used from now.

        Raises:
            NoClipLeft: every clip was used as often as it may be.
        """
        self._claimed = max(0, self._claimed - 1)
        fewest = next((uses for uses in range(self._limit) if self._with_uses[uses]), None)
        if fewest is None:
            raise NoClipLeft(f"all {len(self._uses)} clips have had {self._limit} edits each; add clips")
        place = self._uses.find(fewest)
        self._set_uses(place, fewest + 1)
        clip = self._fetch(self._numbers[place])
        self._drawn[clip.clip_id] = place
        return clip

    def retire(self, clip_id: str) -> None:
        """Draw this clip, which was drawn before, no more."""
        self._set_uses(self._drawn[clip_id], self._limit)

    @property
    def _left(self) -> int:
        return sum((self._limit - uses) * count for uses, count in enumerate(self._with_uses))

    def _set_uses(self, place: int, uses: int) -> None:
        self._with_uses[self._uses[place]] -= 1
        self._uses[place] = uses
        self._with_uses[uses] += 1
