"""Carries an edited key frame through a clip: fitted colours and textures everywhere, its own details along flow.

A colour table and detail gains are fitted to the key pair and applied to every frame; what they miss is carried from
the key frame along chained optical flow, as far as the flow can be trusted, and steadied from frame to frame. Nothing
new can appear, and what enters after the key frame has the edit's colours but not its strokes.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import EditRequest, Frames, KeyFramedClip, Route
from ditto_models.embedded.carrier import Plan, carried_video, gate
from ditto_models.embedded.fitted_edit import edit_region, fit_edit, region_weights
from ditto_models.embedded.flow import FlowConfig
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.embedded.lut import LutConfig


class GeneratorConfig(BaseModel):
    """How an edit is carried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: FlowConfig = Field(default_factory=FlowConfig)
    """How motion is measured."""
    lut: LutConfig = Field(default_factory=LutConfig)
    """How stiff the colour table is."""
    steadiness: float = Field(default=0.35, ge=0, lt=1)
    """Share of the neighbouring frame in each frame, where flow is fully trusted."""


class LutFlowGenerator:
    """A VideoGenerator that needs no network."""

    name = "lut-flow"

    def __init__(self, config: GeneratorConfig | None = None, meter: FlowMeter | None = None) -> None:
        self._config = config or GeneratorConfig()
        self._meter = meter or FlowMeter()

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, THWC uint8 RGB.

        "structure" edits the whole frame; "mask" edits the subject, or the background where the request's parameter
        "region" or else the key frame says so, and leaves the rest exactly as in the source. `request.strength`, 0..1,
        is how much of the key frame's own detail is carried; its fitted colours and textures always are.
        """
        source, masks, key, key_mask = clip.source, clip.masks, clip.key, clip.key_mask
        region = edit_region(key, clip.key_edited, key_mask, request, route)
        key_weights = region_weights(region, masks, clip.key_index)
        fitted = fit_edit(key, clip.key_edited, key_mask, key_weights, route, self._config.lut)
        missed = clip.key_edited - fitted.apply(key, key_mask, key_weights)
        missed *= min(1.0, request.strength) * gate(key_weights)[..., None]
        plan = Plan(
            key_index=clip.key_index,
            base=lambda index: fitted.apply(source[index], masks[index], region_weights(region, masks, index)),
            gate=lambda index: gate(region_weights(region, masks, index)),
            missed=missed,
            steadiness=self._config.steadiness,
        )
        return carried_video(plan, self._meter.measure(source, self._config.flow), self._config.flow, source)
