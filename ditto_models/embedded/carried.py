"""Where the pixels of a key frame are in every other frame: chained optical flow, made exact against the key frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from ditto_models.embedded.flow import ClipFlow, Flow, FlowConfig, Weights, grid, matched, positions, sample

AGREEMENT_PIXELS = 2.0
"""A direct match may correct the chained one by so much; farther off it is another place that looks alike."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One frame seen from the key frame, at the reduced size of the flow."""

    index: int
    neighbour: int
    """The frame before it on the way from the key frame."""
    to_neighbour: Flow
    neighbour_trust: Weights
    in_key: Flow
    """Where each pixel lies in the key frame, HW2 positions."""
    key_trust: Weights


def arrivals(flow: ClipFlow, key_index: int, direction: Literal[1, -1], config: FlowConfig) -> Iterator[Arrival]:
    """Frames from the key frame to the clip's end (direction 1) or beginning (-1), in order."""
    height, width = flow.grey_THW.shape[1:]
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    in_key, key_trust = grid(height, width), np.ones((height, width), dtype=np.float32)
    last = len(flow.grey_THW) if direction == 1 else -1
    for index in range(key_index + direction, last, direction):
        neighbour = index - direction
        back = flow.to_previous[index - 1] if direction == 1 else flow.to_next[index]
        link_trust = flow.trust_previous[index - 1] if direction == 1 else flow.trust_next[index]
        target = positions(back)
        in_key = _refined(engine, flow, index, key_index, sample(in_key, target))
        match = matched(flow.grey_THW[index], flow.grey_THW[key_index], in_key, config)
        key_trust = np.minimum(sample(key_trust, target), link_trust)
        yield Arrival(
            index=index,
            neighbour=neighbour,
            to_neighbour=back,
            neighbour_trust=link_trust,
            in_key=in_key,
            key_trust=np.asarray(key_trust * match, dtype=np.float32),
        )


def _refined(engine: cv2.DISOpticalFlow, flow: ClipFlow, index: int, key_index: int, chained: Flow) -> Flow:
    """The chained positions with their drift taken out by matching the frame against the key frame itself."""
    height, width = chained.shape[:2]
    start = np.ascontiguousarray(chained - grid(height, width))
    direct = engine.calc(flow.grey_THW[index], flow.grey_THW[key_index], start.copy())
    off = direct - start
    agrees = np.exp(-(off[..., 0] ** 2 + off[..., 1] ** 2) / AGREEMENT_PIXELS**2)[..., None]
    return np.asarray(chained + agrees * off, dtype=np.float32)
