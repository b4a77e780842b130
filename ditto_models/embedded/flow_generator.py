"""Carries an edited key frame through a clip by motion alone: edit less source, moved along chained optical flow.

The plainest way, and the one that a fitted model must beat. Where the flow is right, every stroke follows; what the
key frame does not show has only the colour change of what is round it.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import EditRequest, Frame, Frames, Masks, Route
from ditto_models.embedded.carrier import Plan, carried_video, check, gate
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

    def generate(
        self,
        source: Frames,
        masks: Masks,
        key_index: int,
        key_edited: Frame,
        request: EditRequest,
        route: Route,
    ) -> Frames:
        """The edited video, THWC uint8 RGB.

        Routes as in LutFlowGenerator: "mask" leaves what is outside the region exactly as in the source.
        `request.strength`, 0..1, is how much of the key frame's change is carried.

        Raises:
            ValueError: the key frame is not a frame of this clip's size, or its index not one of the clip's.
        """
        check(source, masks, key_index, key_edited)
        key = source[key_index]
        region = edit_region(key, key_edited, masks[key_index], request, route)
        weights = [gate(region_weights(region, masks, index)) for index in range(len(source))]
        change = (key_edited - key.astype(np.float32)) * weights[key_index][..., None]
        plan = Plan(
            key_index=key_index,
            base=lambda index: source[index].astype(np.float32),
            gate=lambda index: weights[index],
            missed=np.asarray(change * min(1.0, request.strength), dtype=np.float32),
            steadiness=self._config.steadiness,
        )
        return carried_video(plan, self._meter.measure(source, self._config.flow), self._config.flow, source)
