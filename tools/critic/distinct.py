"""distinct: whether the pair shows something that no accepted pair of the same source shows already."""

from __future__ import annotations

from collections.abc import Sequence

from ditto_models.base import Frame
from ditto_models.metrics.difference import visible_difference
from memory.sample import Score
from tools.critic.grade import Scale

DIFFERENCE = Scale(good=25.0, border=8.0, bad=0.0)
"""CIE76 distance of key frames, where they differ most. A pink and a purple subject are about 20 apart."""


def distinct(key_edited: Frame, earlier: Sequence[Frame]) -> Score:
    """Falls as the key frame nears that of an accepted edit of the same source; all HWC uint8 RGB of one size."""
    if not earlier:
        return Score(value=1.0, reason="the first accepted edit of this source")
    nearest = min(visible_difference(key_edited, other) for other in earlier)
    reason = f"{nearest:.0f} CIE76 from the nearest of {len(earlier)} accepted edits of this source"
    return Score(value=DIFFERENCE.grade(nearest), reason=reason)
