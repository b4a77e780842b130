"""What a critique is worth, and what to mend: axes against thresholds, and how axes that judge the same thing count.

Pure tables and functions, as in `policy`: nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from memory.sample import AxisVerdict, Critique, Diagnosis, Verdict
from tools.critic.axes import INSTRUCTION, MODEL_AXES, MOTION_AXES, SAFETY, SECONDARY

Retried = Literal["instruction", "key_frame", "video"]
MEASURED_GATES = ("safety", "visual_integrity", "distinct")
"""Safety, integrity, duplicate: every profile has a threshold for them."""
GATES = (*MEASURED_GATES, SAFETY)
"""Hard gates. Each always counts by itself."""
NOT_OF_A_STILL = ("key_frame_followed", "source_motion", "temporal_steadiness", "distinct", *MOTION_AXES)
"""Axes of a video only: nobody judges a key frame on them."""

MENDS: Mapping[str, tuple[Retried, str]] = {
    "edit_applied": ("key_frame", "stronger"),
    "key_frame_followed": ("video", "follow the key frame more closely"),
    "scope_confined": ("video", "keep the change inside its region"),
    "source_structure": ("key_frame", "weaker"),
    "source_motion": ("video", "weaker"),
    "temporal_steadiness": ("video", "steadier"),
    "visual_integrity": ("key_frame", "weaker"),
    "distinct": ("instruction", "another edit"),
    "safety": ("instruction", "another edit"),
    "instruction_followed": ("key_frame", "stronger"),
    "source_preserved": ("key_frame", "weaker"),
    "motion_preserved": ("video", "weaker"),
    "visual_quality": ("key_frame", "weaker"),
    "model_safety": ("instruction", "another edit"),
}
"""Every axis there is; for each that fails: the stage most likely at fault, and the change to try."""

Share = Annotated[float, Field(ge=0, le=1)]
Need = Literal["all", "any_judged", "measured", "model", "model_at_least"]


class Group(BaseModel):
    """Axes that judge the same thing, and which of them count. Those that do not count are shown all the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axes: Annotated[tuple[str, ...], Field(min_length=2)]
    """Each has a threshold; no gate, and no axis of another group."""
    need: Need
    """all: each must be judged and pass. any_judged: one at least must be judged, and all that were must pass.
    measured, model: those of that kind must be judged and pass; the others do not count.
    model_at_least: those of a model must be judged and pass; measured ones must pass where they could be judged."""

    @field_validator("axes")
    @classmethod
    def _no_gate(cls, axes: tuple[str, ...]) -> tuple[str, ...]:
        if gates := [axis for axis in axes if axis in GATES]:
            raise ValueError(f"{', '.join(gates)} is a gate; a gate always counts by itself, so take it out")
        return axes

    @property
    def said(self) -> str:
        """The group in a few words, for verdicts."""
        return f"{self.need} of {', '.join(self.axes)}"


def check_thresholds(thresholds: Mapping[str, float]) -> None:
    """Whether every axis is known, and the model's have those beside them that they stand on.

    Raises:
        ValueError: an axis that nobody judges would leave every sample unscored; or a model's axis stands alone.
    """
    if unknown := sorted(thresholds.keys() - MENDS.keys()):
        raise ValueError(f"no axis {', '.join(unknown)}; expected some of {', '.join(MENDS)}")
    asked = [axis for axis in MODEL_AXES if axis in thresholds]
    needed = {SAFETY} if asked else set()
    needed |= {INSTRUCTION} if SECONDARY.intersection(asked) else set()
    if missing := sorted(needed - thresholds.keys()):
        raise ValueError(f"no threshold for {', '.join(missing)}; {', '.join(asked)} of the model judge need it")


def check_key_frame_thresholds(thresholds: Mapping[str, float]) -> None:
    """Whether a key frame can be judged on every axis.

    Raises:
        ValueError: it cannot on one, which would leave every sample unscored.
    """
    if wrong := [axis for axis in NOT_OF_A_STILL if axis in thresholds]:
        raise ValueError(f"{', '.join(wrong)}: only a video is judged on that; move it to 'thresholds'")


def check_groups(groups: Sequence[Group], thresholds: Mapping[str, float]) -> None:
    """Whether the groups say of each axis at most once how it counts, and leave something that does.

    Raises:
        ValueError: an axis has no threshold, or is in two groups; or a group has no axis of the kind it needs.
    """
    seen: set[str] = set()
    for group in groups:
        if unknown := [axis for axis in group.axes if axis not in thresholds]:
            raise ValueError(f"{', '.join(unknown)} has no threshold; give it one or take it out of 'combine'")
        if twice := [axis for axis in group.axes if axis in seen or group.axes.count(axis) > 1]:
            raise ValueError(f"{', '.join(dict.fromkeys(twice))} stands twice in 'combine'; expected once")
        kind = {"measured": "measured", "model": "model", "model_at_least": "model"}.get(group.need)
        if kind and not any(_kind(axis) == kind for axis in group.axes):
            raise ValueError(f"no {kind} axis among {', '.join(group.axes)}; add one or change 'need'")
        seen |= set(group.axes)


def judge(
    critique: Critique,
    thresholds: Mapping[str, float],
    not_needed: frozenset[str] = frozenset(),
    combine: Sequence[Group] = (),
) -> Verdict:
    """Hold a critique against its thresholds.

    What failed and counts rejects, a gate before any soft axis, whatever else could not be judged. Else an axis that
    counts and could not be assessed leaves the sample unscored, unless it is not asked for (`not_needed`: of a pair
    that no run made, say, whether it repeats another).
    """
    scores = {axis: _held(axis, critique, thresholds, combine) for axis in thresholds}
    counted = {axis: score for axis, score in scores.items() if score.counted}
    missing = [axis for axis, score in counted.items() if score.passed is None and axis not in not_needed]
    failed = [axis for axis, score in counted.items() if score.passed is False]
    gates = [axis for axis in failed if axis in GATES]
    if gates:
        return Verdict(decision="rejected", reasons=gates, rule="gate", scores=scores)
    if failed:
        return Verdict(decision="rejected", reasons=failed, rule="threshold", scores=scores)
    if missing:
        return Verdict(decision="unscored", reasons=missing, rule="unscored", scores=scores)
    return Verdict(decision="accepted", reasons=[], rule="all_passed", scores=scores)


def _held(axis: str, critique: Critique, thresholds: Mapping[str, float], combine: Sequence[Group]) -> AxisVerdict:
    score = critique.scores.get(axis)
    value = score.value if score else None
    group = next((group for group in combine if axis in group.axes), None)
    return AxisVerdict(
        value=value,
        threshold=thresholds[axis],
        passed=None if value is None else value >= thresholds[axis],
        reason=score.reason if score else "not judged",
        counted=group is None or _counts(axis, group, critique, thresholds),
        combined=group.said if group else "",
    )


def _counts(axis: str, group: Group, critique: Critique, thresholds: Mapping[str, float]) -> bool:
    """Whether an axis of a group counts. Where no axis that should count instead has a threshold, it does."""
    members = [one for one in group.axes if one in thresholds]
    match group.need:
        case "any_judged":
            judged = [one for one in members if _judged(one, critique)]
            return axis in (judged or members)
        case "measured" | "model":
            wanted = [one for one in members if _kind(one) == group.need]
            return axis in (wanted or members)
        case "model_at_least":
            models = [one for one in members if _kind(one) == "model"]
            return axis in models or not models or _judged(axis, critique)
    return True


def _judged(axis: str, critique: Critique) -> bool:
    return axis in critique.scores and critique.scores[axis].value is not None


def _kind(axis: str) -> Need:
    return "model" if axis in MODEL_AXES else "measured"


def failed_axes(verdict: Verdict | None) -> tuple[str, ...]:
    """The axes that failed and count, the one furthest under its threshold first.

    What the instruction axis pulled down with it is not to blame, and comes after it.
    """
    if verdict is None:
        return ()
    failed = {axis: score for axis, score in verdict.scores.items() if score.passed is False and score.counted}
    cap = failed.get(INSTRUCTION)

    def order(axis: str) -> tuple[float, bool]:
        pulled = cap is not None and axis in SECONDARY and failed[axis].value == cap.value
        score = cap if cap and pulled else failed[axis]
        return (score.value or 0.0) - score.threshold, pulled

    return tuple(sorted(failed, key=order))


def diagnose(verdict: Verdict | None) -> Diagnosis | None:
    """The worst failed axis, the stage likely at fault and a change to try; None where nothing failed."""
    axes = failed_axes(verdict)
    if not axes:
        return None
    stage, change = MENDS[axes[0]]
    return Diagnosis(stage=stage, axis=axes[0], change=change)
