"""Walks a clip outwards from its key frame: carries what the key frame alone has along flow, and steadies each frame.

What a frame looks like before anything is carried to it, and what is carried, is each generator's own (its `Plan`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from ditto_models.base import Frame, Frames
from ditto_models.embedded.carried import Arrival, arrivals
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
from ditto_models.embedded.lut import Picture

Direction = Literal[1, -1]
DIRECTIONS: tuple[Direction, Direction] = (1, -1)
REACH_SHARE = 1 / 24
"""How far, as a share of the width, carried colour reaches into pixels that the key frame does not show."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a generator does to a clip; indices are of frames."""

    key_index: int
    base: Callable[[int], Picture]
    """A frame before anything is carried to it, a new array at each call."""
    gate: Callable[[int], Weights]
    """1 well inside the edited region of a frame, 0 outside it: keeps the source there."""
    missed: Picture
    """What the key frame has beyond its base, HWC."""
    steadiness: float
    """Share of the neighbouring frame in each frame, where flow is fully trusted."""


def carried_video(plan: Plan, flow: ClipFlow, config: FlowConfig, like: Frames) -> Frames:
    """All frames, carried from the key frame outwards both ways; the shape of `like`, THWC uint8 RGB."""
    edited = np.empty_like(like)
    key = plan.base(plan.key_index) + plan.missed
    beside = [_follow(plan, flow, config, direction, key, edited) for direction in DIRECTIONS]
    # The frames beside it are softened by the carrying: the key frame must not stand out for a moment.
    for picture in [picture for picture in beside if picture is not None]:
        key += plan.steadiness / 2 * (picture - key)
    edited[plan.key_index] = levels(key)
    return edited


def gate(weights: Weights) -> Weights:
    """1 well inside a region of these weights, 0 outside it."""
    return np.asarray(np.clip(weights * 3, 0, 1), dtype=np.float32)


def levels(picture: Picture) -> Frame:
    """The picture in whole levels, HWC uint8."""
    return np.asarray(np.clip(np.rint(picture), 0, 255), dtype=np.uint8)


def _follow(
    plan: Plan, flow: ClipFlow, config: FlowConfig, direction: Direction, key: Picture, edited: Frames
) -> Picture | None:
    """Fills `edited` one way from the key frame; returns the first frame as seen from the key frame."""
    neighbour, beside = key, None
    for arrival in arrivals(flow, plan.key_index, direction, config):
        frame, weights = plan.base(arrival.index), plan.gate(arrival.index)
        frame += weights[..., None] * _carried(plan.missed, arrival)
        difference = moved_difference(neighbour, frame, arrival.to_neighbour, arrival.neighbour_trust)
        frame += (plan.steadiness * weights)[..., None] * difference
        edited[arrival.index] = levels(frame)
        if beside is None:
            beside = _seen_from_key(plan, flow, direction, frame, key)
        neighbour = frame
    return beside


def _seen_from_key(plan: Plan, flow: ClipFlow, direction: Direction, frame: Picture, key: Picture) -> Picture:
    index = plan.key_index
    onward = flow.to_next[index] if direction == 1 else flow.to_previous[index - 1]
    trust = flow.trust_next[index] if direction == 1 else flow.trust_previous[index - 1]
    return key + moved_difference(frame, key, onward, trust) * plan.gate(index)[..., None]


def _carried(missed: Picture, arrival: Arrival) -> Picture:
    """What the key frame has, moved from it; its broad colour alone where the key frame shows nothing."""
    height, width = missed.shape[:2]
    moved = sample(missed, enlarged_positions(arrival.in_key, height, width), sharp=True)
    trust = np.asarray(cv2.blur(arrival.key_trust, (5, 5)), dtype=np.float32)
    broad = _broad(moved, trust)
    moved -= broad
    moved *= enlarged(trust, height, width)[..., None]
    moved += broad
    return moved


def moved_difference(neighbour: Picture, frame: Picture, to_neighbour: Flow, trust: Weights) -> Picture:
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
