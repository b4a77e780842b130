"""Carries an edited key frame through a clip by motion alone: edit less source, moved along chained optical flow.

The plainest way, and the one that a fitted model must beat. Where the flow is right, every stroke follows; what the
key frame does not show has only the colour change of what is round it.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import EditRequest, Frames, KeyFramedClip, Route
from ditto_models.embedded.carrier import Plan, carried_video, gate
from ditto_models.embedded.fitted_edit import edit_region, region_weights
from ditto_models.embedded.flow import FlowConfig
from ditto_models.embedded.flow_meter import FlowMeter


class FlowGeneratorConfig(BaseModel):
    """How an edit is carried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: FlowConfig = Field(default_factory=FlowConfig)
    """How motion is measured."""
    steadiness: float = Field(default=0.35, ge=0, lt=1)
    """Share of the neighbouring frame in each frame, where flow is fully trusted."""


class FlowGenerator:
    """A VideoGenerator that needs no network and fits nothing."""

    name = "flow"

    def __init__(self, config: FlowGeneratorConfig | None = None, meter: FlowMeter | None = None) -> None:
        self._config = config or FlowGeneratorConfig()
        self._meter = meter or FlowMeter()

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, THWC uint8 RGB.

        Routes as in LutFlowGenerator: "mask" leaves what is outside the region exactly as in the source.
        `request.strength`, 0..1, is how much of the key frame's change is carried.
        """
        source = clip.source
        region = edit_region(clip.key, clip.key_edited, clip.key_mask, request, route)
        weights = [gate(region_weights(region, clip.masks, index)) for index in range(len(source))]
        change = (clip.key_edited - clip.key.astype(np.float32)) * weights[clip.key_index][..., None]
        plan = Plan(
            key_index=clip.key_index,
            base=lambda index: source[index].astype(np.float32),
            gate=lambda index: weights[index],
            missed=np.asarray(change * min(1.0, request.strength), dtype=np.float32),
            steadiness=self._config.steadiness,
        )
        return carried_video(plan, self._meter.measure(source, self._config.flow), self._config.flow, source)
