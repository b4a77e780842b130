"""The axes that a critique can have: measured ones, and those that a vision-language model is asked for."""

from __future__ import annotations

from typing import Literal

ModelAxis = Literal["instruction_followed", "source_preserved", "motion_preserved", "visual_quality", "model_safety"]

INSTRUCTION: ModelAxis = "instruction_followed"
SAFETY: ModelAxis = "model_safety"
MODEL_AXES: tuple[ModelAxis, ...] = (
    INSTRUCTION,
    "source_preserved",
    "motion_preserved",
    "visual_quality",
    SAFETY,
)
"""Each has a prompt of its own, `prompts/judge_AXIS.j2`."""
MOTION_AXES: frozenset[ModelAxis] = frozenset({"motion_preserved"})
"""Not of a still."""
SECONDARY: frozenset[ModelAxis] = frozenset({"source_preserved", "motion_preserved", "visual_quality"})
"""Worth no more than the instruction axis: a video that was left as it was preserves all of its source (OpenVE)."""
