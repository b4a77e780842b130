"""safety: whether the edit is safe for work, by the classifier's probability that it is not."""

from __future__ import annotations

from ditto_models.base import Frames, SafetyClassifier
from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Scale

UNSAFE = Scale(good=0.1, border=0.8, bad=1.0)
"""The classifier gives a bare arm 0.4: only high probabilities count."""

EVERY = 12
"""Frames between two looks of the classifier."""


def unsafe_probability(classifier: SafetyClassifier, source: Frames, edited: Frames) -> float:
    """The higher of: any look at the source, and what two halves of the looks at the edit agree on, 0..1.

    Videos are THWC uint8 RGB. The classifier knows the colours of photographs: in warm light or pencil it takes smooth
    fur for skin, in one look and not in the next. What is bare stays so, in the source and in the edit.
    """
    looks = edited[::EVERY]
    pairs = [looks[half::2] for half in (0, 1) if len(looks) > half]
    return max(
        classifier.unsafe_probability(source[::EVERY]), min(classifier.unsafe_probability(half) for half in pairs)
    )


def safety(evidence: Evidence) -> Score:
    """Falls as the highest probability of any frame rises."""
    unsafe = evidence.unsafe_probability
    if unsafe is None:
        return Score(value=None, reason="no safety classifier looked at it")
    return Score(value=UNSAFE.grade(unsafe), reason=f"unsafe with probability {unsafe:.2f}")
