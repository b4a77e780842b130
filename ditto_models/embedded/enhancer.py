"""Steadies an edited video along its source's motion and takes out coarse artifacts, without changing the edit.

Each frame is averaged with its neighbours moved onto it by the source's flow, as far as the flow can be trusted and
the neighbours agree; jumps of the whole frame's brightness are evened, and isolated speckles mended. What the edit
left alone stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frame, Frames, Noise
from ditto_models.embedded.flow import (
    ClipFlow,
    Flow,
    FlowConfig,
    Weights,
    enlarged,
    enlarged_positions,
    positions,
    sample,
)
from ditto_models.embedded.flow_meter import FlowMeter

Picture = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How far a frame may be drawn to its neighbours."""

    neighbour_weight: float
    """Of each neighbour, where it is trusted, beside 1 for the frame itself."""
    agreement_levels: float
    """Difference of smoothed colours at which a neighbour's weight has fallen to 1/e: beyond it is another thing."""
    passes: int


STRENGTHS: dict[Noise, Strength] = {
    "low": Strength(neighbour_weight=0.6, agreement_levels=20.0, passes=1),
    "medium": Strength(neighbour_weight=0.9, agreement_levels=40.0, passes=2),
}
UNTOUCHED_LEVELS = 2.5
"""Mean change, in levels, up to which a place counts as left alone: coding noise makes as much."""
SPECKLE_LEVELS = 48
"""A pixel that stands out from the median round it by more, where the source's does not, is a speckle."""


class EnhancerConfig(BaseModel):
    """How motion is measured for steadying."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: FlowConfig = Field(default_factory=FlowConfig)
    """How motion is measured."""


class TemporalEnhancer:
    """A VideoEnhancer that needs no network. It draws no random numbers, so the seed changes nothing."""

    name = "temporal-filter"

    def __init__(self, config: EnhancerConfig | None = None, meter: FlowMeter | None = None) -> None:
        self._config = config or EnhancerConfig()
        self._meter = meter or FlowMeter()

    def enhance(self, source: Frames, edited: Frames, noise: Noise, seed: int) -> Frames:
        """The steadied video, same THWC uint8 shape.

        Raises:
            ValueError: the two videos differ in shape.
        """
        if source.shape != edited.shape:
            raise ValueError(f"source {source.shape} and edited {edited.shape}: expected one THWC shape")
        strength = STRENGTHS[noise]
        steadied = _evened(source, np.stack([_mended(*pair) for pair in zip(source, edited, strict=True)]))
        if len(source) > 1:
            flow = self._meter.measure(source, self._config.flow)
            for _ in range(strength.passes):
                steadied = _steadied(steadied, flow, strength)
        return np.stack([_only_the_edit(*three) for three in zip(source, edited, steadied, strict=True)])


def _steadied(edited: Frames, flow: ClipFlow, strength: Strength) -> Frames:
    """Each frame averaged with both neighbours."""
    steadied = np.empty_like(edited)
    for index, frame in enumerate(edited):
        total, weight = frame.astype(np.float32), np.ones(frame.shape[:2], dtype=np.float32)
        if index > 0:
            link = flow.to_previous[index - 1], flow.trust_previous[index - 1]
            _add(total, weight, frame, edited[index - 1], *link, strength)
        if index < len(edited) - 1:
            link = flow.to_next[index], flow.trust_next[index]
            _add(total, weight, frame, edited[index + 1], *link, strength)
        steadied[index] = _levels(total / weight[..., None])
    return steadied


def _add(
    total: Picture,
    weight: Weights,
    frame: Frame,
    neighbour: Frame,
    to_neighbour: Flow,
    trust: Weights,
    strength: Strength,
) -> None:
    """Adds the neighbour, moved onto the frame, to the weighted sum, in place."""
    height, width = frame.shape[:2]
    moved = sample(neighbour, enlarged_positions(positions(to_neighbour), height, width), sharp=True)
    off = cv2.blur(cv2.absdiff(frame, moved), (9, 9)).max(axis=2).astype(np.float32)
    agreement = np.exp(-((off / strength.agreement_levels) ** 2))
    share = strength.neighbour_weight * agreement * enlarged(trust, height, width)
    total += share[..., None] * moved
    weight += share


def _mended(source: Frame, edited: Frame) -> Frame:
    """The edited frame with the median in place of speckles that the source does not have."""
    calm = cv2.medianBlur(edited, 3)
    stands_out = cv2.absdiff(edited, calm).max(axis=2) > SPECKLE_LEVELS
    natural = cv2.absdiff(source, cv2.medianBlur(source, 3)).max(axis=2) > SPECKLE_LEVELS / 2
    return np.where((stands_out & ~natural)[..., None], calm, edited)


def _evened(source: Frames, edited: Frames) -> Frames:
    """The edit with jumps of its whole-frame brightness and tint taken out: a running median over five frames."""
    change = np.array([cv2.mean(after)[:3] for after in edited]) - np.array([cv2.mean(before)[:3] for before in source])
    padded = np.pad(change, ((2, 2), (0, 0)), mode="edge")
    calm = np.median(np.stack([padded[offset : offset + len(change)] for offset in range(5)]), axis=0)
    return np.stack([_levels(frame + shift) for frame, shift in zip(edited, calm - change, strict=True)])


def _only_the_edit(source: Frame, edited: Frame, steadied: Frame) -> Frame:
    """The steadied frame where the edit changed the source; elsewhere the edited one, which is the source's own."""
    change = cv2.blur(cv2.absdiff(source, edited), (9, 9)).max(axis=2).astype(np.float32)
    share = np.clip((change - UNTOUCHED_LEVELS) / UNTOUCHED_LEVELS, 0, 1)[..., None]
    return _levels(edited + share * (steadied - edited.astype(np.float32)))


def _levels(picture: NDArray[np.floating]) -> Frame:
    return np.asarray(np.clip(np.rint(picture), 0, 255), dtype=np.uint8)
