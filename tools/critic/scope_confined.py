"""scope_confined: whether a local edit left the rest of the picture alone, and a global one is not of a spot only."""

from __future__ import annotations

import numpy as np

from ditto_models.base import Frames, Masks
from ditto_models.metrics.mask_catch import mask_catch
from ditto_models.metrics.mask_stray import mask_stray
from ditto_models.metrics.scope import reach, scope_change
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Graded, Scale, weakest

OUTSIDE_LEVELS = Scale(good=1.0, border=5.0, bad=15.0)
"""Coding alone changes a pixel by 1 to 2 levels."""
OUTSIDE_SHARE = Scale(good=0.0, border=0.05, bad=0.25)
STRAY = Scale(good=0.0, border=0.2, bad=0.5)
"""An ear is left out at 0.1, and hardly seen; both wings of a bird at 0.4."""
CATCH = Scale(good=0.0, border=0.03, bad=0.1)
"""A tree lit from the side, taken for a part of the rabbit before it, makes 0.06; clean masks make none."""
REACH = Scale(good=0.5, border=0.1, bad=0.0)
"""A season changes what grows and leaves stones and sky: over half of the picture on the sample clips."""


def scope_confined(evidence: Evidence) -> Score:
    """Of a global edit, how much of the picture it reaches. Of a local one, the weakest of: mean change outside the
    region, the share of outside pixels that visibly changed, and, where masks are to fit the subject closely, what
    moves with it but outside its mask, and what the mask took in beside it.
    """
    if evidence.scope == "global":
        share = reach(evidence.source, evidence.edited)
        return Score(value=REACH.grade(share), reason=f"the edit reaches {share:.0%} of the picture")
    if evidence.scope is None and evidence.region == "all":
        return Score(value=None, reason="not known whether the edit is of the whole picture")
    if evidence.masks is None or evidence.region == "all":
        return Score(value=None, reason="no mask says where the edit should be")
    regions = evidence.masks if evidence.region == "subject" else np.asarray(1 - evidence.masks, dtype=np.float32)
    found = scope_change(evidence.source, evidence.edited, regions)
    if found is None:
        return Score(value=None, reason="the mask covers nothing, or everything")
    inside = f"{found.inside_levels:.0f} levels inside"
    outside = [
        Graded(
            value=OUTSIDE_LEVELS.grade(found.outside_levels),
            reason=f"outside changed by {found.outside_levels:.1f} levels, {inside}",
        ),
        Graded(
            value=OUTSIDE_SHARE.grade(found.outside_share),
            reason=f"{found.outside_share:.1%} of the outside visibly changed",
        ),
    ]
    least = weakest(outside if evidence.masks_are_grown else [*outside, *_of_masks(evidence.source, evidence.masks)])
    return Score(value=least.value, reason=least.reason)


def _of_masks(source: Frames, masks: Masks) -> list[Graded]:
    """Whether the masks hold the subject, and nothing but it."""
    catch, stray = mask_catch(source, masks), mask_stray(source, masks)
    return [
        Graded(
            value=STRAY.grade(stray),
            reason=f"what moves round the subject and outside its mask is {stray:.0%} of its area",
        ),
        Graded(
            value=CATCH.grade(catch),
            reason=f"{catch:.0%} of the mask holds still and has another colour while the subject moves",
        ),
    ]
