"""The measured critic over any two videos that are said to be a pair: it knows no more of them than their pixels."""

from __future__ import annotations

from dataclasses import dataclass

from ditto_models.base import Frame, Frames, Masks, SafetyClassifier, SubjectMasker
from memory.sample import Critique, Instruction, Score
from tools.catalogue import Catalogue, Expectation
from tools.critic.evidence import Evidence
from tools.critic.measured import MeasuredCritic
from tools.critic.of_sample import STYLES
from tools.critic.safety import unsafe_probability

NO_ENTRY = "the embedded critic can only measure instructions of its catalogue, and this is none of them"
NO_KEY_FRAME = "not required: no edited key frame was given"
NO_RUN = "not required: a pair by itself has no run to compare with"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What is to be judged; `source` and `edited` are THWC uint8 RGB of one shape."""

    source: Frames
    edited: Frames
    fps: float
    instruction: str
    key_index: int | None = None
    key_edited: Frame | None = None
    """The edited key frame, HWC uint8 RGB; None where there is none to follow."""


class PairCritic:
    """Looks the words up in the catalogue, finds the subject where an axis needs it, and measures."""

    def __init__(self, catalogue: Catalogue, masker: SubjectMasker, safety: SafetyClassifier) -> None:
        self._catalogue = catalogue
        self._masker = masker
        self._safety = safety
        self._critic = MeasuredCritic()
        self.name = f"{self._critic.name}, {safety.name}"

    def matched(self, instruction: str) -> Instruction | None:
        """The catalogue's instruction with these words, or None: then the edit itself cannot be measured."""
        return self._catalogue.match(instruction)

    def judge(self, pair: Pair) -> Critique:
        """Scores on every axis of a run; what cannot be measured is None, with the reason."""
        matched = self.matched(pair.instruction)
        expectation = self._catalogue.expectation(matched) if matched else None
        critique = self._critic.judge_video(
            Evidence(
                source=pair.source,
                edited=pair.edited,
                masks=self._masks(pair, expectation),
                key_index=pair.key_index,
                key_edited=pair.key_edited,
                scope=matched.scope if matched else None,
                expectation=expectation,
                parameters=matched.parameters if matched else {},
                unsafe_probability=unsafe_probability(self._safety, pair.source, pair.edited),
                # Of unknown words, a fault is only what would be one under any: the wider allowance of a style edit.
                restyled=matched is None or matched.edit_type in STYLES,
            )
        )
        return Critique(scores={**critique.scores, **_not_judged(pair, matched)})

    def _masks(self, pair: Pair, expectation: Expectation | None) -> Masks | None:
        """Where a region was meant, or colours are held against a key frame's region by region; else not looked for."""
        regional = expectation is not None and expectation.region != "all"
        return self._masker.mask(pair.source) if regional or pair.key_edited is not None else None


def _not_judged(pair: Pair, matched: Instruction | None) -> dict[str, Score]:
    reasons = {"distinct": NO_RUN}
    if matched is None:
        reasons |= {"edit_applied": NO_ENTRY, "scope_confined": NO_ENTRY}
    if pair.key_edited is None:
        reasons["key_frame_followed"] = NO_KEY_FRAME
    return {axis: Score(value=None, reason=reason) for axis, reason in reasons.items()}
