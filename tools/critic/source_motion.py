"""source_motion: whether things move as in the source."""

from __future__ import annotations

from ditto_models.metrics.motion import motion_agreement
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Graded, Scale, weakest

MOVING = Scale(good=0.0, border=0.35, bad=0.8)
STILL_PIXELS = Scale(good=0.0, border=0.4, bad=1.2)


def source_motion(evidence: Evidence) -> Score:
    """The weaker of: flow where the source moves, and flow where it rests; of an edit that changes shapes, outside it.

    None for an edit that brings motion of its own, and for one that changes shapes everywhere.
    """
    if len(evidence.source) < 2:
        return Score(value=None, reason="one frame has no motion")
    if evidence.lively or evidence.held is None:
        return Score(value=None, reason="the edit may bring motion of its own")
    found = motion_agreement(evidence.held, evidence.source_flow)
    still = found.still_error_pixels
    graded = [Graded(value=STILL_PIXELS.grade(still), reason=f"still parts drift by {still:.2f} pixels a frame")]
    if found.moving_error is not None:
        reason = f"motion differs from the source's by {found.moving_error:.0%}"
        graded.insert(0, Graded(value=MOVING.grade(found.moving_error), reason=reason))
    least = weakest(graded)
    return Score(value=least.value, reason=least.reason)
