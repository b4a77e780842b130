"""temporal_steadiness: whether the edit holds still where the source does, without flicker or pulsing."""

from __future__ import annotations

from ditto_models.metrics.flow_warp import steadiness
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Graded, Scale, weakest

RATIO = Scale(good=0.5, border=3.5, bad=9.0)
WORST_EXCESS = Scale(good=0.0, border=7e-3, bad=2.5e-2)
PUMPING_LEVELS = Scale(good=0.0, border=7.0, bad=15.0)


def temporal_steadiness(evidence: Evidence) -> Score:
    """The weakest of: flow-warp error against the source's, its worst blocks, and pumping of the whole frame.

    The source's motion is what warps, so an edit that changes shapes is judged outside of itself; None for one that
    changes them everywhere, or brings motion of its own.
    """
    if len(evidence.source) < 2:
        return Score(value=None, reason="one frame cannot flicker")
    if evidence.lively or evidence.held is None:
        return Score(value=None, reason="the edit may bring motion of its own, which is no flicker")
    found = steadiness(evidence.source, evidence.held, evidence.source_flow)
    places = found.worst_excess**0.5 * 255
    graded = [
        Graded(value=RATIO.grade(found.ratio), reason=f"flow-warp error {found.ratio:.1f}x the source's"),
        Graded(value=WORST_EXCESS.grade(found.worst_excess), reason=f"the worst places flicker by {places:.0f} levels"),
        Graded(
            value=PUMPING_LEVELS.grade(found.pumping_levels),
            reason=f"the whole picture pulses by {found.pumping_levels:.1f} levels",
        ),
    ]
    least = weakest(graded)
    return Score(value=least.value, reason=least.reason)
