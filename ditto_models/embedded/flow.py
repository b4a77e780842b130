"""Optical flow of a clip: measured once at reduced size, both ways, with how far each vector may be trusted.

Method: DIS flow (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016). Flow_HW2 holds (x, y)
in pixels of the reduced size: the pixel at p in one frame is seen at p + flow[p] in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ditto_models.base import Frame, Frames

Flow = NDArray[np.float32]
"""Motion between two frames, HW2 float32 (x, y) in pixels."""
PLAIN_LEVELS = 2.0
"""Gradient, in grey levels a pixel, of a surface that is half plain."""
REACH_SHARE = 1 / 32
"""How far the flow of edges reaches into plain surfaces, as a share of the width."""
Grey = NDArray[np.uint8]
"""HW uint8."""
Weights = NDArray[np.float32]
"""One number a pixel, HW float32 in 0..1."""


Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])


class FlowConfig(BaseModel):
    """How flow is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_width: int = 320
    """Frames are reduced to this width, in pixels, before flow is measured."""
    round_trip_pixels: float = 1.0
    """There and back may miss by this much before trust falls to 1/e."""
    photometric_levels: float = 16.0
    """Grey levels by which two matched pixels may differ before trust falls to 1/e."""


@dataclass(frozen=True, kw_only=True)
class ClipFlow:
    """Flow of T frames at reduced size: entry t links frames t and t + 1."""

    grey_THW: NDArray[np.uint8]
    to_next: list[Flow]
    """From frame t to t + 1."""
    to_previous: list[Flow]
    """From frame t + 1 to t."""
    trust_next: list[Weights]
    """Of to_next, on the grid of frame t."""
    trust_previous: list[Weights]
    """Of to_previous, on the grid of frame t + 1."""


def measure_flow(frames: Frames, config: FlowConfig | None = None) -> ClipFlow:
    """Flow between all neighbouring frames of THWC uint8 RGB, both ways."""
    config = config or FlowConfig()
    return flow_of(grey_of(frames, config), config)


def grey_of(frames: Frames, config: FlowConfig) -> NDArray[np.uint8]:
    """THWC uint8 RGB in grey at the size at which flow is measured, THW uint8."""
    return np.stack([reduced_grey(frame, config.max_width) for frame in frames])


def flow_of(grey: NDArray[np.uint8], config: FlowConfig) -> ClipFlow:
    """Flow between all neighbouring frames of THW uint8, both ways."""
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    to_next, to_previous, trust_next, trust_previous = [], [], [], []
    for now, after in pairwise(grey):
        forward, backward = _both_ways(engine, now, after, config)
        to_next.append(forward)
        to_previous.append(backward)
        trust_next.append(trust(now, after, forward, backward, config))
        trust_previous.append(trust(after, now, backward, forward, config))
    return ClipFlow(
        grey_THW=grey,
        to_next=to_next,
        to_previous=to_previous,
        trust_next=trust_next,
        trust_previous=trust_previous,
    )


def _both_ways(engine: cv2.DISOpticalFlow, now: Grey, after: Grey, config: FlowConfig) -> tuple[Flow, Flow]:
    """Flow there and back, with what plain surfaces leave open filled from round them."""
    forward, backward = _calc(engine, now, after), _calc(engine, after, now)
    forward_trust = trust(now, after, forward, backward, config)
    backward_trust = trust(after, now, backward, forward, config)
    return settled(forward, forward_trust, now), settled(backward, backward_trust, after)


def settled(flow: Flow, trusted: Weights, grey: Grey) -> Flow:
    """Flow of plain surfaces is guesswork of the noise: there it gives way to the flow of edges round them."""
    sure = textured(grey)
    weight = (sure * trusted + 1e-3)[..., None]
    height, width = grey.shape
    small = (max(1, width // 4), max(1, height // 4))
    spread = cv2.resize(np.dstack([flow * weight, weight]), small, interpolation=cv2.INTER_AREA)
    spread = cv2.resize(cv2.GaussianBlur(spread, (0, 0), max(0.5, small[0] * REACH_SHARE)), (width, height))
    around = spread[..., :2] / spread[..., 2:]
    return np.asarray(around + sure[..., None] * (flow - around), dtype=np.float32)


def textured(grey: Grey) -> Weights:
    """How much there is to hold on to: 0 on a plain surface, near 1 at edges and in texture."""
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    energy = cv2.blur(across * across + down * down, (9, 9))
    return np.asarray(energy / (energy + PLAIN_LEVELS**2), dtype=np.float32)


def reduced_grey(frame: Frame, max_width: int) -> Grey:
    """The frame in grey at no more than this width, HW uint8."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if width > max_width:
        size = (max_width, max(16, round(height * max_width / width)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, dtype=np.uint8)


def trust(here: Grey, there: Grey, flow: Flow, flow_back: Flow, config: FlowConfig) -> Weights:
    """How far a vector may be trusted: the way there and back meets, the pixels match, and it stays in the picture."""
    target = positions(flow)
    returned = sample(flow_back, target)
    miss = flow + returned
    miss_pixels2 = (miss[..., 0] ** 2 + miss[..., 1] ** 2) / config.round_trip_pixels**2
    return np.asarray(np.exp(-miss_pixels2) * matched(here, there, target, config), dtype=np.float32)


def matched(here: Grey, there: Grey, target: Flow, config: FlowConfig) -> Weights:
    """How well grey pixels match those at `target` positions in the other frame; 0 outside it."""
    error = cv2.blur(cv2.absdiff(here, sample(there, target)), (3, 3)).astype(np.float32) / config.photometric_levels
    height, width = here.shape
    x, y = target[..., 0], target[..., 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return np.asarray(np.exp(-(error**2)) * inside, dtype=np.float32)


@lru_cache(maxsize=4)
def grid(height: int, width: int) -> Flow:
    """Each pixel's own position, HW2 float32 (x, y), read-only."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    pixels = np.dstack([x, y])
    pixels.flags.writeable = False
    return pixels


def positions(flow: Flow) -> Flow:
    """Where each pixel is seen in the other frame, HW2 float32 (x, y)."""
    return grid(*flow.shape[:2]) + flow


def sample(image: Pixels, target: Flow, sharp: bool = False) -> Pixels:
    """The image read at `target` positions, bilinear or (sharp) bicubic, edges repeated."""
    kind = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    read = cv2.remap(image, target, None, kind, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(read, dtype=image.dtype)


def enlarged_positions(target: Flow, height: int, width: int) -> Flow:
    """Positions of the reduced size as positions of a frame of height x width pixels."""
    small_height, small_width = target.shape[:2]
    if (small_height, small_width) == (height, width):
        return target
    shift = target - grid(small_height, small_width)
    shift *= np.array([width / small_width, height / small_height], dtype=np.float32)
    large: Flow = np.asarray(cv2.resize(shift, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    large += grid(height, width)
    return large


def enlarged(weights: Weights, height: int, width: int) -> Weights:
    """Weights of the reduced size for a frame of height x width pixels."""
    return np.asarray(cv2.resize(weights, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _calc(engine: cv2.DISOpticalFlow, here: Grey, there: Grey) -> Flow:
    return np.asarray(engine.calc(here, there, None), dtype=np.float32)  # type: ignore[call-overload]
