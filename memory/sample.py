"""The nouns: what a sample is made of, small and frozen, so that the ledger can hold all of it.

An artifact reference is the sha256 of a file's content plus its suffix, for example "ab12....mp4";
pixels live in the artifact store.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from memory.noun import Noun
from memory.talk import Given, Said

Scope = Literal["global", "local"]
Decision = Literal["accepted", "rejected", "failed", "unscored", "quarantined", "private"]
"""Private: of a conversation whose person did not give the result to the dataset."""
Stage = Literal[
    "new",
    "clip",
    "described",
    "proposed",
    "instructed",
    "key_frame_edited",
    "key_frame_judged",
    "generated",
    "judged",
    "enhanced",
    "awaiting_person",
    "done",
]
By = Literal["planner", "policy", "person"]
Kept = Literal["kept", "thinned", "dropped"]
Rule = Literal["gate", "threshold", "unscored", "all_passed"]


class Clip(Noun):
    """A window of a source video, standardised and stored."""

    clip_id: str
    uri: str
    sha256: str
    """Of the whole source file."""
    start_seconds: float
    end_seconds: float
    fps: float
    frames: int
    width: int
    height: int
    video: str = ""
    """Artifact: the standardised window, the source half of a pair."""


class Description(Noun):
    """What was seen in the clip."""

    caption: str
    facts: dict[str, float]
    masks: str
    """Artifact: the subject masks."""


class Instruction(Noun):
    """The words of an edit, and what the editor needs to carry it out."""

    text: str
    edit_type: str
    scope: Scope
    look: str = ""
    parameters: dict[str, str | float] = Field(default_factory=dict)
    target: str = ""
    """What a local edit changes, or where it adds, in a few words; empty where it is the main subject."""
    result: str = ""
    """The edited clip in a sentence, for models that read a description; empty where the writer gave none."""


class Score(Noun):
    """One axis of a critique: 0 (worst) to 1 (best), or None where it could not be assessed; the reason in words."""

    value: float | None
    reason: str


class Critique(Noun):
    """Scores by axis, of a key frame or of a whole video."""

    scores: dict[str, Score]


class KeyFrame(Noun):
    """An edited key frame: its candidates, and the one that was chosen when they were judged."""

    index: int
    source: str
    candidates: list[str]
    strengths: list[float]
    """One by candidate."""
    chosen: str = ""
    masks: list[str] = Field(default_factory=list)
    """Artifacts, one by candidate: where a local edit is in each frame of the clip. Empty where it is the main subject,
    whose masks are the description's."""


class Edit(Noun):
    """An edited video and how it was made."""

    video: str
    route: str
    strength: float
    enhanced: bool = False


class AxisVerdict(Noun):
    """One axis held against its threshold."""

    value: float | None
    threshold: float
    passed: bool | None
    """None where the axis could not be assessed."""
    reason: str
    counted: bool = True
    """Whether it had a say in the decision."""
    combined: str = ""
    """The profile's rule for the axes that judge the same thing, where it is one of several."""


class Verdict(Noun):
    """What policy says of a critique, and the rule that decided."""

    decision: Literal["accepted", "rejected", "unscored"]
    reasons: list[str]
    rule: Rule
    scores: dict[str, AxisVerdict]


class Diagnosis(Noun):
    """Why a stage is done again: the axis that failed and the change to make."""

    stage: str
    axis: str
    change: str


class Proposal(Noun):
    """An edit that the agent offers in a conversation."""

    number: int
    """From 1, never used twice in a conversation."""
    instruction: Instruction
    strength: float
    """Of the key frame's edit."""
    note: str = ""
    """What of the wish it does not do, for the person."""
    key_frame: KeyFrame | None = None
    """The preview, once it was made."""
    verdict: Verdict | None = None
    """Of the preview."""
    problem: str = ""
    """Why there is no preview, where making it failed."""


class Provenance(Noun):
    """What made an accepted pair, so that it can be made again."""

    models: dict[str, str]
    prompts_hash: str
    config_hash: str
    code_version: str
    created_at: str


class Sample(Noun):
    """Everything known of one sample: the fold of its events."""

    id: str
    seed: int
    stage: Stage = "new"
    conversation: bool = False
    clip: Clip | None = None
    description: Description | None = None
    instruction: Instruction | None = None
    key_frame: KeyFrame | None = None
    key_frame_verdict: Verdict | None = None
    edit: Edit | None = None
    verdict: Verdict | None = None
    suggestion: Diagnosis | None = None
    """What a model would mend of the judged video, where one was asked."""
    diagnoses: list[Diagnosis] = Field(default_factory=list)
    attempts: dict[str, int] = Field(default_factory=dict)
    """Calls made, by tool."""
    model_seconds: float = 0.0
    gpu_seconds: float = 0.0
    planner_fallbacks: int = 0
    decision: Decision | None = None
    reasons: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None
    wish: str = ""
    """What the person asked for last, in a conversation."""
    given: Given | None = None
    """What a conversation began with."""
    key_frame_index: int | None = None
    """The frame that the person wants edited; None leaves it to the agent."""
    talk: list[Said] = Field(default_factory=list)
    """What was said, oldest first."""
    proposals: list[Proposal] = Field(default_factory=list)
    """What is on offer now."""
    focus: int = 0
    """The number of the proposal that the person turned to, 0 for none."""
    approved: int = 0
    """The number of the proposal whose video the person wanted, 0 for none."""
    consent: bool = False
    """Whether the person gives the result to the dataset."""
    artifacts: Kept = "kept"
    """Thinned: only a contact sheet is left of its artifacts; dropped: nothing."""
    sheet: str = ""
    """Artifact: the contact sheet of a thinned sample."""


class Refusal(Noun):
    """A planner's answer that was not a legal call, and what it was told."""

    answer: str
    problem: str


class ModelCall(Noun):
    """One call of a served model, as the ledger keeps it. The request lies in the artifacts, its pictures apart."""

    purpose: str
    """Who asked and what for, for example "planner" or "judge.source_preserved"."""
    model: str
    server: str
    prompt_hash: str
    request: str
    """Artifact: the body that was sent, each picture in it replaced by its own artifact."""
    request_sha256: str
    """Of the body as it was sent."""
    pictures: list[str]
    """Artifacts: the pictures of the request, in order."""
    answer: str
    """What the model said, cut where it is long."""
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    """Of the attempt that was answered."""
    waited_seconds: float
    """For a free place, for a server to come back, and between attempts."""
    faults: list[str]
    """One line for every attempt that failed."""
    error: str
    """Why it was given up; empty where it was answered."""
    finish: str = ""
    """Why the model stopped, in its server's word, for example "stop" or "length"."""
    at: str = ""
    """When it ended, UTC, ISO 8601; empty of calls that an earlier version kept."""


class Event(Noun):
    """One step of a sample, as the ledger keeps it: who called what with which arguments, and what came of it."""

    sample_id: str
    seq: int = 0
    """The ledger's number, 0 until it is appended."""
    at: str = ""
    """UTC, ISO 8601, set when it is appended."""
    stage: Stage
    next_stage: Stage
    tool: str
    arguments: dict[str, JsonValue]
    result: dict[str, JsonValue]
    """The keys of the sample that this step changed."""
    seconds: float
    model_seconds: float = 0.0
    gpu_seconds: float = 0.0
    attempt: int
    by: By
    model: str | None = None
    prompt_hash: str | None = None
    tokens: int | None = None
    error: str | None = None
    refusals: list[Refusal] = Field(default_factory=list)
    planner_fallback: bool = False
    """True where the planner gave no legal call and policy's default was taken."""
    note: str = ""
    """One line for people: what the step did."""
    calls: list[ModelCall] = Field(default_factory=list)
    """Calls of served models that the decision and the step made."""
