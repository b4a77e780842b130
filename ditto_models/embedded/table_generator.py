"""Carries an edited key frame through a clip by its colours and textures alone: fitted once, done to every frame.

Nothing is moved from frame to frame but the light averaging against flicker, so nothing can tear or smear, what enters
after the key frame is treated like the rest, and a stroke that the source's own lines do not explain is lost.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import EditRequest, Frames, KeyFramedClip, Route
from ditto_models.embedded.carrier import gate, levels, moved_difference
from ditto_models.embedded.fitted_edit import edit_region, fit_edit, region_weights
from ditto_models.embedded.flow import FlowConfig
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.embedded.lut import LutConfig


class TableGeneratorConfig(BaseModel):
    """How an edit is fitted and steadied."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: FlowConfig = Field(default_factory=FlowConfig)
    """How motion is measured."""
    lut: LutConfig = Field(default_factory=LutConfig)
    """How stiff the colour table is."""
    steadiness: float = Field(default=0.35, ge=0, lt=1)
    """Share of the frame before in each frame, where flow is fully trusted."""


class TableGenerator:
    """A VideoGenerator that needs no network and carries no detail."""

    name = "table"

    def __init__(self, config: TableGeneratorConfig | None = None, meter: FlowMeter | None = None) -> None:
        self._config = config or TableGeneratorConfig()
        self._meter = meter or FlowMeter()

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, THWC uint8 RGB.

        Routes as in LutFlowGenerator: "mask" leaves what is outside the region exactly as in the source.
        `request.strength` changes nothing: the fitted edit is always done in full.
        """
        source, masks, key, key_mask = clip.source, clip.masks, clip.key, clip.key_mask
        region = edit_region(key, clip.key_edited, key_mask, request, route)
        key_weights = region_weights(region, masks, clip.key_index)
        fitted = fit_edit(key, clip.key_edited, key_mask, key_weights, route, self._config.lut)
        flow, edited, before = self._meter.measure(source, self._config.flow), np.empty_like(source), None
        for index, (frame, mask) in enumerate(zip(source, masks, strict=True)):
            weights = region_weights(region, masks, index)
            picture = fitted.apply(frame, mask, weights)
            if before is not None:
                link = flow.to_previous[index - 1], flow.trust_previous[index - 1]
                share = (self._config.steadiness * gate(weights))[..., None]
                picture += share * moved_difference(before, picture, *link)
            edited[index] = levels(picture)
            before = picture
        return edited
