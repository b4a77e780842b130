"""The measured critic over samples: gathers what the ledger knows of one into evidence, and judges it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from ditto_models.base import SafetyClassifier, Scope
from ditto_models.embedded.flow_meter import FlowMeter
from memory.ledger import Ledger
from memory.sample import Critique, Sample
from tools.catalogue import Catalogue, Expectation
from tools.critic.distinct import distinct
from tools.critic.evidence import Evidence
from tools.critic.measured import MeasuredCritic
from tools.critic.safety import unsafe_probability
from tools.edit_types import open_edit_types
from tools.media import Media
from tools.requests import masks_of, parts

STYLES = ("style", "background_style")
"""Edit types that redraw texture."""


class Asked(TypedDict):
    """Fields of Evidence that an instruction decides."""

    scope: Scope
    expectation: Expectation | None
    parameters: Mapping[str, str | float]
    restyled: bool
    reshaped: bool
    lively: bool
    repainted: bool
    masks_are_grown: bool


class SampleCritic:
    """Implements tools.critic.protocol.Critic."""

    def __init__(
        self,
        media: Media,
        ledger: Ledger,
        catalogue: Catalogue,
        safety: SafetyClassifier,
        meter: FlowMeter | None = None,
        repainted: bool = False,
    ) -> None:
        """`repainted`: by editors that follow words, not by looks of the catalogue."""
        self._media = media
        self._ledger = ledger
        self._catalogue = catalogue
        self._safety = safety
        self._meter = meter or FlowMeter()
        self._repainted = repainted
        self._critic = MeasuredCritic()
        self.name = f"{self._critic.name}, {safety.name}"

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of one candidate (an artifact) of the edited key frame."""
        if sample.key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no key frame to judge")
        index, edited = sample.key_frame.index, self._media.image(candidate)
        masks = self._media.masks(masks_of(sample, candidate))[index]
        return self._critic.judge_key_frame(
            Evidence(
                source=self._media.image(sample.key_frame.source)[None],
                edited=edited[None],
                masks=masks[None],
                unsafe_probability=self._safety.unsafe_probability(edited[None]),
                **self._asked(sample),
            )
        )

    def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        clip, _, _ = parts(sample)
        if sample.key_frame is None or sample.edit is None:
            raise ValueError(f"sample {sample.id!r} has no edited video to judge")
        source, edited = self._media.frames(clip.video), self._media.frames(sample.edit.video)
        key_edited = self._media.image(sample.key_frame.chosen)
        critique = self._critic.judge_video(
            Evidence(
                source=source,
                edited=edited,
                masks=self._media.masks(masks_of(sample)),
                key_index=sample.key_frame.index,
                key_edited=key_edited,
                unsafe_probability=unsafe_probability(self._safety, source, edited),
                meter=self._meter,
                **self._asked(sample),
            )
        )
        earlier = [self._media.image(reference) for reference in self._accepted_key_frames(sample)]
        return Critique(scores={**critique.scores, "distinct": distinct(key_edited, earlier)})

    def _asked(self, sample: Sample) -> Asked:
        """What of the evidence follows from the instruction. Words of no look are judged by the kind of their edit."""
        instruction = parts(sample)[2]
        kind = None if instruction.look else open_edit_types().get(instruction.edit_type)
        return Asked(
            scope=instruction.scope,
            expectation=self._catalogue.expectation(instruction),
            parameters=instruction.parameters,
            restyled=kind.shapes == "redrawn" if kind else instruction.edit_type in STYLES,
            reshaped=kind is not None and kind.shapes == "changed",
            lively=kind is not None and kind.lively,
            repainted=self._repainted,
            masks_are_grown=sample.key_frame is not None and bool(sample.key_frame.masks),
        )

    def _accepted_key_frames(self, sample: Sample) -> list[str]:
        """Of the same source file, other samples': clips of one shot may look alike."""
        if sample.clip is None:
            return []
        same = "clip_id IN (SELECT id FROM clips WHERE uri = ?) AND decision = 'accepted' AND id != ?"
        rows = self._ledger.rows(same, (sample.clip.uri, sample.id))
        return [row.sample.key_frame.chosen for row in rows if row.sample.key_frame]
