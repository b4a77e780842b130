"""source_structure: whether the shapes of the source are still there and in place."""

from __future__ import annotations

import numpy as np

from ditto_models.metrics.structure import structure_agreement
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Graded, Scale, weakest

EVERY = 6
WHOLE = Scale(good=1.0, border=0.82, bad=0.6)
BLOCKS = Scale(good=1.0, border=0.5, bad=0.1)
RESTYLED_WHOLE = Scale(good=1.0, border=0.57, bad=0.35)
RESTYLED_BLOCKS = Scale(good=0.9, border=0.18, bad=-0.1)


def source_structure(evidence: Evidence) -> Score:
    """The weaker of: edge agreement of the worst frame, and of the worst tenth of the picture.

    An edit that changes shapes is judged outside of itself; None where it is everywhere.
    """
    if evidence.held is None:
        return Score(value=None, reason="the edit may change every shape of the picture")
    pairs = zip(evidence.source[::EVERY], evidence.held[::EVERY], strict=True)
    found = [structure_agreement(before, after) for before, after in pairs]
    whole = [one.whole for one in found if one.whole is not None]
    blocks = [one.worst_blocks for one in found if one.worst_blocks is not None]
    if not whole:
        return Score(value=None, reason="the source has no edges to compare")
    worst_frame, worst_blocks = float(np.min(whole)), float(np.mean(blocks))
    whole_scale, blocks_scale = (RESTYLED_WHOLE, RESTYLED_BLOCKS) if evidence.restyled else (WHOLE, BLOCKS)
    least = weakest(
        [
            Graded(value=whole_scale.grade(worst_frame), reason=f"edges agree with the source's by {worst_frame:.2f}"),
            Graded(
                value=blocks_scale.grade(worst_blocks), reason=f"in the worst places edges agree by {worst_blocks:.2f}"
            ),
        ]
    )
    return Score(value=least.value, reason=least.reason)
