"""Carries an edited key frame through a clip: fitted colours and textures everywhere, its own details along flow.

A colour table and detail gains are fitted to the key pair and applied to every frame; what they miss is carried from
the key frame along chained optical flow, as far as the flow can be trusted, and steadied from frame to frame. Nothing
new can appear, and what enters after the key frame has the edit's colours but not its strokes.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import EditRequest, Frame, Frames, Masks, Route
from ditto_models.embedded.carried import Arrival, arrivals
from ditto_models.embedded.fitted_edit import FittedEdit, edit_region, fit_edit, region_weights
from ditto_models.embedded.flow import (
    ClipFlow,
    Flow,
    FlowConfig,
    Weights,
    enlarged,
    enlarged_positions,
    measure_flow,
    positions,
    sample,
)
from ditto_models.embedded.lut import LutConfig, Picture

Direction = Literal[1, -1]
DIRECTIONS: tuple[Direction, Direction] = (1, -1)
REACH_SHARE = 1 / 24
"""How far, as a share of the width, carried colour reaches into pixels that the key frame does not show."""


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

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        self._config = config or GeneratorConfig()

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

        "structure" edits the whole frame; "mask" edits the subject, or the background where the request's parameter
        "region" or else the key frame says so, and leaves the rest exactly as in the source. `request.strength`, 0..1,
        is how much of the key frame's own detail is carried; its fitted colours and textures always are.

        Raises:
            ValueError: the key frame is not a frame of this clip's size, or its index not one of the clip's.
        """
        _check(source, masks, key_index, key_edited)
        return _Carrier(self._config, source, masks, key_index, key_edited, request, route).video()


class _Carrier:
    """One clip under way: what was learnt from its key pair, and the frames done so far."""

    def __init__(
        self,
        config: GeneratorConfig,
        source: Frames,
        masks: Masks,
        key_index: int,
        key_edited: Frame,
        request: EditRequest,
        route: Route,
    ) -> None:
        self._config, self._source, self._masks, self._key_index = config, source, masks, key_index
        key, key_mask = source[key_index], masks[key_index]
        self._region = edit_region(key, key_edited, key_mask, request, route)
        key_weights = region_weights(self._region, masks, key_index)
        self._fitted: FittedEdit = fit_edit(key, key_edited, key_mask, key_weights, route, config.lut)
        missed = key_edited - self._fitted.apply(key, key_mask, key_weights)
        missed *= _gate(key_weights)[..., None]
        self._missed: Picture = missed
        self._carry = min(1.0, request.strength)

    def video(self) -> Frames:
        """All frames, carried from the key frame outwards both ways."""
        edited = np.empty_like(self._source)
        flow = measure_flow(self._source, self._config.flow)
        key = self._base(self._key_index) + self._carry * self._missed
        beside = [self._follow(flow, direction, key, edited) for direction in DIRECTIONS]
        # The frames beside it are softened by the carrying: the key frame must not stand out for a moment.
        for picture in [picture for picture in beside if picture is not None]:
            key += self._config.steadiness / 2 * (picture - key)
        edited[self._key_index] = _levels(key)
        return edited

    def _follow(self, flow: ClipFlow, direction: Direction, key: Picture, edited: Frames) -> Picture | None:
        """Fills `edited` one way from the key frame; returns the first frame as seen from the key frame."""
        neighbour, beside = key, None
        for arrival in arrivals(flow, self._key_index, direction, self._config.flow):
            frame = self._base(arrival.index)
            gate = _gate(region_weights(self._region, self._masks, arrival.index))
            frame += (self._carry * gate)[..., None] * self._carried(arrival)
            self._steady(frame, neighbour, arrival, gate)
            edited[arrival.index] = _levels(frame)
            if beside is None:
                beside = self._seen_from_key(flow, direction, frame, key)
            neighbour = frame
        return beside

    def _seen_from_key(self, flow: ClipFlow, direction: Direction, frame: Picture, key: Picture) -> Picture:
        index = self._key_index
        onward = flow.to_next[index] if direction == 1 else flow.to_previous[index - 1]
        trust = flow.trust_next[index] if direction == 1 else flow.trust_previous[index - 1]
        gate = _gate(region_weights(self._region, self._masks, index))
        return key + _difference(frame, key, onward, trust) * gate[..., None]

    def _base(self, index: int) -> Picture:
        weights = region_weights(self._region, self._masks, index)
        return self._fitted.apply(self._source[index], self._masks[index], weights)

    def _carried(self, arrival: Arrival) -> Picture:
        """What the fit missed, moved from the key frame; its broad colour alone where the key frame shows nothing."""
        height, width = self._missed.shape[:2]
        moved = sample(self._missed, enlarged_positions(arrival.in_key, height, width), sharp=True)
        trust = np.asarray(cv2.blur(arrival.key_trust, (5, 5)), dtype=np.float32)
        broad = _broad(moved, trust)
        moved -= broad
        moved *= enlarged(trust, height, width)[..., None]
        moved += broad
        return moved

    def _steady(self, frame: Picture, neighbour: Picture, arrival: Arrival, gate: Weights) -> None:
        """Blends the neighbour into the frame along flow, in place."""
        difference = _difference(neighbour, frame, arrival.to_neighbour, arrival.neighbour_trust)
        frame += (self._config.steadiness * gate)[..., None] * difference


def _difference(neighbour: Picture, frame: Picture, to_neighbour: Flow, trust: Weights) -> Picture:
    """The neighbour moved onto the frame, less the frame; 0 where the flow cannot be trusted."""
    height, width = frame.shape[:2]
    moved = sample(neighbour, enlarged_positions(positions(to_neighbour), height, width), sharp=True)
    moved -= frame
    moved *= enlarged(trust, height, width)[..., None]
    return moved


def _broad(picture: Picture, trust: Weights) -> Picture:
    """The picture's broad colour where it is trusted, spread a little way into where it is not."""
    small_height, small_width = trust.shape[0] // 4, trust.shape[1] // 4
    weight = cv2.resize(trust, (small_width, small_height), interpolation=cv2.INTER_AREA)
    colour = cv2.resize(picture, (small_width, small_height), interpolation=cv2.INTER_AREA)
    reach = max(1.0, small_width * REACH_SHARE)
    total = np.asarray(cv2.GaussianBlur(weight, (0, 0), reach))
    spread = cv2.GaussianBlur(colour * weight[..., None], (0, 0), reach) / (total + 0.05)[..., None]
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.resize(spread, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _gate(weights: Weights) -> Weights:
    """1 well inside the region, 0 outside it: keeps carried detail off the source."""
    return np.asarray(np.clip(weights * 3, 0, 1), dtype=np.float32)


def _levels(picture: Picture) -> Frame:
    return np.asarray(np.clip(np.rint(picture), 0, 255), dtype=np.uint8)


def _check(source: Frames, masks: Masks, key_index: int, key_edited: Frame) -> None:
    if source.ndim != 4 or key_edited.shape != source.shape[1:]:
        raise ValueError(f"key_edited is {key_edited.shape}; expected the source's frame size, {source.shape[1:]}")
    if masks.shape != source.shape[:3]:
        raise ValueError(f"masks are {masks.shape}; expected one for each source frame, {source.shape[:3]}")
    if not 0 <= key_index < len(source):
        raise ValueError(f"key_index is {key_index}; expected a frame of the clip, 0 to {len(source) - 1}")
