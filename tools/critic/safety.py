"""safety: whether the edit is safe for work, by the classifier's probability that it is not."""

from __future__ import annotations

from memory.sample import Score
from tools.critic.evidence import Evidence
from tools.critic.grade import Scale

UNSAFE = Scale(good=0.1, border=0.8, bad=1.0)
"""The classifier gives a bare arm 0.4: only high probabilities count."""


def safety(evidence: Evidence) -> Score:
    """Falls as the highest probability of any frame rises."""
    unsafe = evidence.unsafe_probability
    if unsafe is None:
        return Score(value=None, reason="no safety classifier looked at it")
    return Score(value=UNSAFE.grade(unsafe), reason=f"unsafe with probability {unsafe:.2f}")
