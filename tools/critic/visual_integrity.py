"""visual_integrity: no blur, black, repeated, clipped or banded frames that the source does not have."""

from __future__ import annotations

from ditto_models.metrics.integrity import integrity
from ditto_models.metrics.sharpness import sharpness
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Graded, Scale, weakest

SHARPNESS = Scale(good=1.0, border=0.6, bad=0.3)
SOFTENED_SHARPNESS = Scale(good=0.9, border=0.35, bad=0.15)
BLACK = Scale(good=0.0, border=0.03, bad=0.2)
REPEATED = Scale(good=0.0, border=0.1, bad=0.4)
CLIPPED = Scale(good=0.0, border=0.2, bad=0.5)
RESTYLED_CLIPPED = Scale(good=0.0, border=0.45, bad=0.7)
BANDED = Scale(good=0.0, border=0.45, bad=0.8)
RESTYLED_BANDED = Scale(good=0.0, border=0.75, bad=0.95)


def visual_integrity(evidence: Evidence) -> Score:
    """The weakest of five faults, each beyond what the source has."""
    sharp = sharpness(evidence.source, evidence.edited).least_ratio
    found = integrity(evidence.source, evidence.edited)
    sharp_scale = SOFTENED_SHARPNESS if evidence.softened else SHARPNESS
    clipped_scale = RESTYLED_CLIPPED if evidence.redrawn else CLIPPED
    banded_scale = RESTYLED_BANDED if evidence.redrawn else BANDED
    least = weakest(
        [
            Graded(
                value=sharp_scale.grade(sharp), reason=f"the softest frame has {sharp:.0%} of the source's sharpness"
            ),
            Graded(value=BLACK.grade(found.black), reason=f"{found.black:.0%} of the frames are black"),
            Graded(
                value=REPEATED.grade(found.repeated), reason=f"{found.repeated:.0%} of the frames repeat the one before"
            ),
            Graded(
                value=clipped_scale.grade(found.clipped),
                reason=f"{found.clipped:.0%} more pixels are pure black or white",
            ),
            Graded(value=banded_scale.grade(found.banded), reason=f"{found.banded:.0%} of the grey levels are missing"),
        ]
    )
    return Score(value=least.value, reason=least.reason)
