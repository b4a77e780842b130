"""Steadiness: how far each frame is from its neighbour moved along the source's flow, and whole-frame pumping.

Flow-warp error after Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018: mean squared difference of
colours in 0..1, over pixels whose flow can be trusted. Lower is steadier.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames
from ditto_models.embedded.flow import ClipFlow, Flow, enlarged, enlarged_positions, positions, sample

FLOOR = 3e-5
"""Error that no one sees: a still source must not make every edit look unsteady beside it."""
BLOCKS_ACROSS = 20
WORST_PERCENTILE = 99.0


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """An edit's steadiness against its source's."""

    source_error: float
    edited_error: float
    ratio: float
    """Edited over source, the source scaled by the contrast that the edit added; about 1 where as steady."""
    worst_excess: float
    """Error beyond the source's in the worst blocks of the clip, same unit as the errors."""
    pumping_levels: float
    """How much the whole frame's change jumps from frame to frame, in levels 0..255."""


def steadiness(source: Frames, edited: Frames, flow: ClipFlow) -> Steadiness:
    """Steadiness of THWC uint8 RGB `edited`, beside `source` whose flow is given; T at least 2."""
    before, after, trusted = _block_errors(source, edited, flow)
    gain = max(1.0, float(np.std(edited[::8]) / max(float(np.std(source[::8])), 1.0))) ** 2
    total = max(float(trusted.sum()), 1e-6)
    source_error, edited_error = float(before.sum() / total), float(after.sum() / total)
    blocks = trusted > 0.25 * trusted.max(initial=0.0)
    excess = (after - gain * before)[blocks] / trusted[blocks]
    return Steadiness(
        source_error=source_error,
        edited_error=edited_error,
        ratio=(edited_error + FLOOR) / (gain * source_error + FLOOR),
        worst_excess=max(0.0, float(np.percentile(excess, WORST_PERCENTILE))) if excess.size else 0.0,
        pumping_levels=pumping(source, edited),
    )


def pumping(source: Frames, edited: Frames) -> float:
    """The largest sudden turn of the mean change, in levels: near 0 for an edit that is constant or fades slowly."""
    change = np.array([cv2.mean(after)[:3] for after in edited]) - np.array([cv2.mean(before)[:3] for before in source])
    if len(change) < 3:
        return 0.0
    turns = np.abs(np.diff(change, n=2, axis=0)).max(axis=1)
    return float(np.percentile(turns, 95))


def _block_errors(source: Frames, edited: Frames, flow: ClipFlow) -> NDArray[np.float64]:
    """Means over each block: trusted squared error of the source, of the edit, and trust; (3, T - 1, rows, columns)."""
    height, width = source.shape[1:3]
    found = []
    for index, back in enumerate(flow.to_previous):
        target = enlarged_positions(positions(back), height, width)
        trust = enlarged(flow.trust_previous[index], height, width)
        errors = [_error(frames[index], frames[index + 1], target) * trust for frames in (source, edited)]
        found.append([_blocks(plane) for plane in (*errors, trust)])
    return np.stack([np.stack(planes) for planes in zip(*found, strict=True)])


def _error(before: Frame, after: Frame, target: Flow) -> NDArray[np.float32]:
    """Mean squared difference of a frame from the one before moved onto it, colours in 0..1."""
    off = cv2.absdiff(after, sample(before, target))
    squares = cv2.multiply(off, off, scale=1 / 255**2, dtype=cv2.CV_32F)
    return np.asarray(cv2.transform(squares, np.full((1, 3), 1 / 3, np.float32)), dtype=np.float32)


def _blocks(plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means over square blocks."""
    height, width = plane.shape
    side = max(4, width // BLOCKS_ACROSS)
    size = (max(1, width // side), max(1, height // side))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float64)
