"""The measured critic over samples: gathers what the ledger knows of one into evidence, and judges it."""

from __future__ import annotations

from ditto_models.base import SafetyClassifier
from ditto_models.embedded.flow_meter import FlowMeter
from memory.ledger import Ledger
from memory.sample import Critique, Sample
from tools.catalogue import Catalogue
from tools.critic.distinct import distinct
from tools.critic.evidence import Evidence
from tools.critic.measured import MeasuredCritic
from tools.critic.safety import unsafe_probability
from tools.media import Media
from tools.requests import parts

STYLES = ("style", "background_style")
"""Edit types that redraw texture."""


class SampleCritic:
    """Implements tools.critic.protocol.Critic."""

    def __init__(
        self,
        media: Media,
        ledger: Ledger,
        catalogue: Catalogue,
        safety: SafetyClassifier,
        meter: FlowMeter | None = None,
    ) -> None:
        self._media = media
        self._ledger = ledger
        self._catalogue = catalogue
        self._safety = safety
        self._meter = meter or FlowMeter()
        self._critic = MeasuredCritic()
        self.name = f"{self._critic.name}, {safety.name}"

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of one candidate (an artifact) of the edited key frame."""
        _, description, instruction = parts(sample)
        if sample.key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no key frame to judge")
        edited = self._media.image(candidate)
        return self._critic.judge_key_frame(
            self._media.image(sample.key_frame.source),
            edited,
            self._media.masks(description.masks)[sample.key_frame.index],
            scope=instruction.scope,
            expectation=self._catalogue.expectation(instruction),
            parameters=instruction.parameters,
            unsafe_probability=self._safety.unsafe_probability(edited[None]),
            restyled=instruction.edit_type in STYLES,
        )

    def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        clip, description, instruction = parts(sample)
        if sample.key_frame is None or sample.edit is None:
            raise ValueError(f"sample {sample.id!r} has no edited video to judge")
        source, edited = self._media.frames(clip.video), self._media.frames(sample.edit.video)
        key_edited = self._media.image(sample.key_frame.chosen)
        critique = self._critic.judge_video(
            Evidence(
                source=source,
                edited=edited,
                masks=self._media.masks(description.masks),
                key_index=sample.key_frame.index,
                key_edited=key_edited,
                scope=instruction.scope,
                expectation=self._catalogue.expectation(instruction),
                parameters=instruction.parameters,
                unsafe_probability=unsafe_probability(self._safety, source, edited),
                restyled=instruction.edit_type in STYLES,
                meter=self._meter,
            )
        )
        earlier = [self._media.image(reference) for reference in self._accepted_key_frames(sample)]
        return Critique(scores={**critique.scores, "distinct": distinct(key_edited, earlier)})

    def _accepted_key_frames(self, sample: Sample) -> list[str]:
        """Of the same source file, other samples': clips of one shot may look alike."""
        if sample.clip is None:
            return []
        same = "clip_id IN (SELECT id FROM clips WHERE uri = ?) AND decision = 'accepted' AND id != ?"
        rows = self._ledger.rows(same, (sample.clip.uri, sample.id))
        return [row.sample.key_frame.chosen for row in rows if row.sample.key_frame]
