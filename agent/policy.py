"""The rules, as pure tables: which calls are legal, where each leads, and what a sample may cost.

What a critique is worth stands in `verdicts`.

Nothing here asks a model or touches a disk, so that the rules can be tested whole and read in one sitting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.verdicts import (
    MEASURED_GATES,
    Group,
    Retried,
    Share,
    check_groups,
    check_key_frame_thresholds,
    check_thresholds,
    failed_axes,
)
from memory.sample import Sample, Stage, Verdict

ToolName = Literal[
    "sample_clip",
    "describe_clip",
    "write_instruction",
    "edit_key_frame",
    "critique_key_frame",
    "generate_video",
    "critique_video",
    "enhance_video",
    "retry",
    "accept",
    "reject",
    "propose_edits",
    "preview_edits",
]
PersonCall = Literal["begin", "say", "choose", "frame", "approve", "keep", "close", "cancel"]
CampaignTool = Literal["train_editto", "decline_training"]
"""Called for a whole campaign, never for a sample."""

CALLS: Mapping[Stage, tuple[ToolName, ...]] = {
    "new": ("sample_clip",),
    "clip": ("describe_clip",),
    "described": ("write_instruction", "reject"),
    "proposed": (),
    "instructed": ("edit_key_frame", "write_instruction", "reject"),
    "key_frame_edited": ("critique_key_frame",),
    "key_frame_judged": ("generate_video", "edit_key_frame", "write_instruction", "reject"),
    "generated": ("critique_video",),
    "judged": ("accept", "enhance_video", "retry", "reject"),
    "enhanced": ("critique_video",),
    "awaiting_person": (),
    "done": (),
}
"""What may be called at each stage at all, in the order that policy prefers; `legal_calls` narrows it."""

CONVERSATION_CALLS: Mapping[Stage, tuple[ToolName, ...]] = {
    "new": ("sample_clip",),
    "clip": ("describe_clip",),
    "described": ("propose_edits",),
    "proposed": ("preview_edits",),
    "key_frame_judged": ("generate_video",),
    "generated": ("critique_video",),
    "judged": ("accept",),
}
"""The same in a conversation, where every turn is the person's and each of their words pays for its calls."""

LEADS_TO: Mapping[ToolName, tuple[Stage, ...]] = {
    "sample_clip": ("clip",),
    "describe_clip": ("described", "awaiting_person"),
    "propose_edits": ("proposed", "awaiting_person"),
    "preview_edits": ("awaiting_person",),
    "write_instruction": ("instructed",),
    "edit_key_frame": ("key_frame_edited",),
    "critique_key_frame": ("key_frame_judged", "done"),
    "generate_video": ("generated",),
    "critique_video": ("judged", "awaiting_person", "done"),
    "enhance_video": ("enhanced",),
    "retry": ("described", "instructed", "key_frame_judged"),
    "accept": ("done",),
    "reject": ("done",),
}
"""Where a call can lead. Besides, a call that fails stays at its stage or ends the sample."""

PERSON_LEADS_TO: Mapping[PersonCall, Stage] = {
    "begin": "new",
    "say": "described",
    "choose": "awaiting_person",
    "frame": "proposed",
    "approve": "key_frame_judged",
    "keep": "judged",
    "close": "done",
    "cancel": "awaiting_person",
}
"""Where a conversation goes on. All but `begin` and `cancel` are for one that waits."""

RETRY_LEADS_TO: Mapping[Retried, Stage] = {
    "instruction": "described",
    "key_frame": "instructed",
    "video": "key_frame_judged",
}
_RETRY_NEEDS: Mapping[Retried, ToolName] = {
    "instruction": "write_instruction",
    "key_frame": "edit_key_frame",
    "video": "generate_video",
}
CALLS_PER_SAMPLE: dict[ToolName, int] = {
    "write_instruction": 3,
    "edit_key_frame": 4,
    "generate_video": 3,
    "enhance_video": 1,
}
BUDGETED = frozenset(CALLS_PER_SAMPLE)
"""The costly tools. Each has a budget, and may be called again at the same stage when it could not do as asked."""
REJECT_REASONS = ("out_of_budget", "nothing_to_edit", "not_feasible", "poor_key_frame", "poor_video", "unsafe")


class PolicyConfig(BaseModel):
    """Thresholds and budgets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thresholds: dict[str, Share]
    """The least score, 0..1, by axis."""
    key_frame_thresholds: dict[str, Share]
    """The same for the key frame, judged first and alone."""
    combine: tuple[Group, ...] = ()
    """How axes that judge the same thing count together; what is in no group counts by itself."""
    calls_per_sample: dict[ToolName, Annotated[int, Field(ge=0)]] = Field(default=CALLS_PER_SAMPLE)
    """How often each costly tool may be called for one sample; what is not named keeps its default."""
    model_seconds_per_sample: float = Field(default=900.0, gt=0)
    """After so many seconds of models a sample may only be judged, accepted or rejected."""

    @field_validator("calls_per_sample")
    @classmethod
    def _whole(cls, budgets: dict[ToolName, int]) -> dict[ToolName, int]:
        unknown = sorted(budgets.keys() - BUDGETED)
        if unknown:
            raise ValueError(f"{', '.join(unknown)} has no budget; expected some of {', '.join(sorted(BUDGETED))}")
        return CALLS_PER_SAMPLE | budgets

    @field_validator("thresholds")
    @classmethod
    def _every_gate(cls, thresholds: dict[str, float]) -> dict[str, float]:
        missing = [gate for gate in MEASURED_GATES if gate not in thresholds]
        if missing:
            raise ValueError(f"no threshold for {', '.join(missing)}; a gate cannot be left out")
        return thresholds

    @field_validator("thresholds", "key_frame_thresholds")
    @classmethod
    def _known(cls, thresholds: dict[str, float]) -> dict[str, float]:
        check_thresholds(thresholds)
        return thresholds

    @field_validator("key_frame_thresholds")
    @classmethod
    def _of_a_still(cls, thresholds: dict[str, float]) -> dict[str, float]:
        check_key_frame_thresholds(thresholds)
        return thresholds

    @model_validator(mode="after")
    def _combined(self) -> Self:
        check_groups(self.combine, self.thresholds)
        return self


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What this clip and this profile allow: edit types (least used first), and of each the routes of the generator."""

    edit_types: tuple[str, ...]
    routes: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, float] = field(default_factory=dict)
    """By edit type, how much rather than others it is wanted; empty where no evaluation has a say."""
    weighted_by: str = ""
    """The training job whose evaluation that was."""


@dataclass(frozen=True, kw_only=True)
class LegalCall:
    """A tool that may be called now, and the values that some of its arguments are narrowed to."""

    tool: ToolName | CampaignTool
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def legal_calls(sample: Sample, offers: Offers, config: PolicyConfig) -> tuple[LegalCall, ...]:
    """The calls that are legal now, preferred first. Empty when the sample is done or waits for a person."""
    if sample.conversation:
        return tuple(
            LegalCall(tool=tool, choices=_routes(sample, offers) or {} if tool == "generate_video" else {})
            for tool in CONVERSATION_CALLS.get(sample.stage, ())
        )
    legal = []
    for tool in CALLS[sample.stage]:
        choices = _choices(tool, sample, offers, config)
        if choices is not None:
            legal.append(LegalCall(tool=tool, choices=choices))
    return tuple(legal)


def calls_left(sample: Sample, tool: ToolName, config: PolicyConfig) -> int:
    """How often a tool may still be called for this sample; forced tools have no budget of their own."""
    if tool not in BUDGETED:
        return 1
    if sample.model_seconds >= config.model_seconds_per_sample:
        return 0
    return max(0, config.calls_per_sample[tool] - sample.attempts.get(tool, 0))


def _choices(
    tool: ToolName, sample: Sample, offers: Offers, config: PolicyConfig
) -> Mapping[str, tuple[str, ...]] | None:
    """The narrowed arguments of a call, or None where it is not legal."""
    if not calls_left(sample, tool, config):
        return None
    match tool:
        case "write_instruction":
            return {"edit_type": offers.edit_types} if offers.edit_types else None
        case "generate_video":
            return _routes(sample, offers) if _passed(sample.key_frame_verdict) else None
        case "accept":
            return {} if _passed(sample.verdict) else None
        case "enhance_video":
            return {} if sample.edit and not sample.edit.enhanced else None
        case "retry":
            return _retry_choices(sample, config)
        case "reject":
            return {"reason": REJECT_REASONS}
    return {}


def _routes(sample: Sample, offers: Offers) -> Mapping[str, tuple[str, ...]] | None:
    routes = offers.routes.get(sample.instruction.edit_type if sample.instruction else "", ())
    return {"route": routes} if routes else None


def _retry_choices(sample: Sample, config: PolicyConfig) -> Mapping[str, tuple[str, ...]] | None:
    stages = tuple(stage for stage, tool in _RETRY_NEEDS.items() if calls_left(sample, tool, config))
    axes = failed_axes(sample.verdict)
    return {"stage": stages, "axis": axes} if stages and axes else None


def _passed(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.decision == "accepted"


def max_steps(config: PolicyConfig) -> int:
    """More steps than a sample can take: each budgeted call, the critique and the retry it may cause, and the ends."""
    return 3 * sum(config.calls_per_sample.values()) + 4


def next_stage(tool: ToolName, sample: Sample, arguments: Mapping[str, object]) -> Stage:
    """Where a call leads that succeeded; `sample` already holds its result."""
    if tool == "retry":
        return RETRY_LEADS_TO[cast("Retried", arguments["stage"])]
    if tool == "describe_clip" and sample.conversation:
        return "described" if sample.wish else "awaiting_person"
    if tool == "propose_edits":
        # A question, or words that nothing can be done about, leave what was on offer as it was.
        waits = any(each.key_frame is None and not each.problem for each in sample.proposals)
        return "proposed" if waits else "awaiting_person"
    if tool == "critique_key_frame":
        unscored = sample.key_frame_verdict and sample.key_frame_verdict.decision == "unscored"
        return "done" if unscored else "key_frame_judged"
    if tool == "critique_video":
        if sample.conversation:
            return "awaiting_person"
        return "done" if sample.verdict and sample.verdict.decision == "unscored" else "judged"
    return LEADS_TO[tool][0]
