"""key_frame_followed: whether the video looks like its edited key frame, all the way through."""

from __future__ import annotations

import cv2
import numpy as np

from ditto_models.base import Frame, Mask
from ditto_models.metrics.colour_follow import colour_follow
from ditto_models.metrics.colour_patches import colour_patches
from ditto_models.metrics.detail_follow import WORST_THIRD, detail_miss, patchiness
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Graded, Scale, weakest

NOT_SEEN = 2.0
"""CIE units or levels added below the line, so that a faint edit is not judged by coding noise."""
MEAN_MISS = Scale(good=0.0, border=0.4, bad=0.9)
WORST_MISS = Scale(good=0.0, border=0.65, bad=1.0)
PATCH_MISS = Scale(good=0.0, border=0.2, bad=0.5)
"""Of about 15 pairs looked at, whole ones end at 0.03 and torn ones begin at 0.21; one in between has faint rims."""
DETAIL_MISS = Scale(good=1.0, border=1.6, bad=2.5)
PATCHINESS = Scale(good=0.1, border=0.4, bad=0.8)
LATE_STROKES = Scale(good=0.1, border=0.42, bad=0.8)
"""Of a style edit, in the worst frames: drawings that hold reach 0.37 on the sample clips, late ink 0.53."""
KEY_MISS = Scale(good=0.0, border=0.6, bad=1.0)


def key_frame_followed(evidence: Evidence) -> Score:
    """The weakest of: colour on the mean of the frames, in the worst frame, in the worst places; the key frame's own
    pixels; fine detail, on the mean and in the worst places.

    Of what models repaint, no places and no detail; of an edit that changes shapes, the key frame's own pixels alone,
    since then the same colour becomes one thing here and another there.
    """
    if evidence.key_edited is None or evidence.key_index is None:
        return Score(value=None, reason="no edited key frame to compare with")
    graded = [_of_key(evidence, evidence.key_index, evidence.key_edited)]
    if not evidence.reshaped:
        graded += _of_colours(evidence, evidence.key_index, evidence.key_edited)
    if not evidence.reshaped and not evidence.repainted:
        graded += _of_detail(evidence, evidence.key_index, evidence.key_edited)
    least = weakest(graded)
    return Score(value=least.value, reason=least.reason)


def _of_colours(evidence: Evidence, index: int, key_edited: Frame) -> list[Graded]:
    masks, key_source = evidence.masks, evidence.source[index]
    key_mask = None if masks is None else masks[index]
    colour = colour_follow(evidence.source, evidence.edited, masks, key_source, key_edited, key_mask)
    below = colour.key_shift + NOT_SEEN
    mean_miss, worst_miss = colour.mean_miss / below, colour.worst_miss / below
    graded = [
        Graded(
            value=MEAN_MISS.grade(mean_miss), reason=f"colours miss the key frame's by {mean_miss:.0%} of its change"
        ),
        Graded(value=WORST_MISS.grade(worst_miss), reason=f"one frame misses by {worst_miss:.0%} of the change"),
    ]
    if not evidence.repainted:
        torn = colour_patches(evidence.source, evidence.edited, masks, key_source, key_edited, key_mask) / below
        reason = f"parts of the picture miss by {torn:.0%} of the change"
        graded.append(Graded(value=PATCH_MISS.grade(torn), reason=reason))
    return graded


def _of_key(evidence: Evidence, index: int, key_edited: Frame) -> Graded:
    """Of an edit of a part, in that part: beside a small one, what an editor does to all the rest would count more."""
    source, edited = evidence.source[index], evidence.edited[index]
    part = evidence.weights(index) if evidence.repainted else None
    miss = _levels(edited, key_edited, part) / (_levels(source, key_edited, part) + NOT_SEEN)
    return Graded(value=KEY_MISS.grade(miss), reason=f"the key frame itself differs by {miss:.0%} of its change")


def _of_detail(evidence: Evidence, index: int, key_edited: Frame) -> list[Graded]:
    key_source = evidence.source[index]
    detail = detail_miss(evidence.source, evidence.edited, key_source, key_edited)
    patches_scale, part = (LATE_STROKES, WORST_THIRD) if evidence.restyled else (PATCHINESS, 1)
    patches = patchiness(evidence.source, evidence.edited, key_source, key_edited, part)
    return [
        Graded(
            value=DETAIL_MISS.grade(detail), reason=f"fine detail is off the key frame's by a factor of {detail:.1f}"
        ),
        Graded(
            value=patches_scale.grade(patches),
            reason=f"parts of the picture lack {patches:.0%} of what the key frame did to fine detail",
        ),
    ]


def _levels(one: Frame, other: Frame, part: Mask | None = None) -> float:
    off = cv2.absdiff(one, other)
    if part is None or part.sum() < 1:
        return float(np.mean(cv2.mean(off)[:3]))
    return float(np.average(off.mean(axis=2), weights=part))
