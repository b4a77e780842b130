"""The measured critic: every axis from pixels alone, with the figures in its reasons."""

from __future__ import annotations

from collections.abc import Callable

from memory.sample import Critique, Score
from tools.critic.edit_applied import edit_applied
from tools.critic.evidence import Evidence
from tools.critic.key_frame_followed import key_frame_followed
from tools.critic.safety import safety
from tools.critic.scope_confined import scope_confined
from tools.critic.source_motion import source_motion
from tools.critic.source_structure import source_structure
from tools.critic.temporal_steadiness import temporal_steadiness
from tools.critic.visual_integrity import visual_integrity

Axis = Callable[[Evidence], Score]

KEY_FRAME_AXES: dict[str, Axis] = {
    "edit_applied": edit_applied,
    "scope_confined": scope_confined,
    "source_structure": source_structure,
    "visual_integrity": visual_integrity,
    "safety": safety,
}
VIDEO_AXES: dict[str, Axis] = {
    "edit_applied": edit_applied,
    "key_frame_followed": key_frame_followed,
    "scope_confined": scope_confined,
    "source_structure": source_structure,
    "source_motion": source_motion,
    "temporal_steadiness": temporal_steadiness,
    "visual_integrity": visual_integrity,
    "safety": safety,
}
THRESHOLDS: dict[str, float] = dict.fromkeys(VIDEO_AXES, 0.5)
"""Scores are calibrated so that 0.5 is the border of what a person accepts."""


class MeasuredCritic:
    """Judges by measuring; an axis that cannot be measured is None, with the reason."""

    name = "measured"

    def judge_key_frame(self, evidence: Evidence) -> Critique:
        """A critique of one edited frame, as a video of one, on the axes that need no motion."""
        return Critique(scores={name: axis(evidence) for name, axis in KEY_FRAME_AXES.items()})

    def judge_video(self, evidence: Evidence) -> Critique:
        """A critique of an edited video on every axis."""
        return Critique(scores={name: axis(evidence) for name, axis in VIDEO_AXES.items()})
