"""Soft masks of a clip's main subject on the CPU: a small segmentation network, sharpened by colour, steadied by flow.

Sources: MediaPipe Selfie Segmentation (landscape); GrabCut, Rother et al. 2004; DIS flow, Kroeger et al. 2016;
guided filter, He et al. 2010. The network sees 256x144 pixels and takes rocks beside a character for the character:
closer and closer views of the same place disagree about such things, a thing that stays where it
is and is doubted again and again is no part of the subject, and colour settles the outline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models import assets
from ditto_models.base import Frame, Frames, Mask, Masks

NETWORK_SIZE = (256, 144)
ZOOMS = (1.25, 1.08, 1.0)
RENEWED = 0.6
"""How far one look moves the mask carried from those before."""
SAME_LEVELS = 8
"""Colour, slightly blurred, that differs by less at a place in two looks is the same thing seen twice."""
CUT_MARGIN = 16
"""Pixels round what may be the subject in which its colours are told from its surroundings'."""

Flows = list[NDArray[np.float32]]


class SubjectMaskerConfig(BaseModel):
    """What counts as a subject, and how finely to look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anchor_every: int = Field(default=4, ge=1)
    """Frames between two looks of the network; flow carries the mask in between."""
    working_width: int = Field(default=320, ge=128)
    """Pixels across at which outlines are cut and flow is measured."""
    min_share: float = Field(default=0.02, ge=0, le=1)
    """A subject covers at least this much of the frame."""
    max_share: float = Field(default=0.7, ge=0, le=1)
    """What covers more is the scene."""
    min_presence: float = Field(default=0.9, ge=0, le=1)
    """It is there in at least this part of the looks."""
    min_steadiness: float = Field(default=0.78, ge=0, le=1)
    """Least overlap (intersection over union) of any look with those before it, carried along the flow: one look
    that takes in a stone beside the subject spoils every local edit of the clip."""


class SubjectMasker:
    """SubjectMasker: all zero unless a subject of credible size is present and steady through the clip (see Config).

    Good on people and cartoon characters, blind to buildings and vehicles. Any thread may call it.
    """

    name = "selfie-segmentation-landscape+grabcut"

    def __init__(self, config: SubjectMaskerConfig | None = None) -> None:
        self.config = config or SubjectMaskerConfig()
        self._net = cv2.dnn.readNetFromTFLite(str(assets.ensure("selfie-segmentation")))
        self._lock = threading.Lock()

    def mask(self, frames: Frames) -> Masks:
        """Soft masks, THW float32 in 0..1, of frames THWC uint8 RGB; all zero where no subject is credible."""
        height, width = frames.shape[1:3]
        size = (self.config.working_width, max(1, round(height * self.config.working_width / width)))
        small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
        anchors = sorted({*range(0, len(frames), self.config.anchor_every), len(frames) - 1})
        likely = self._likely(small, anchors)
        if likely is None:
            return np.zeros(frames.shape[:3], np.float32)
        backward, forward = _flows(small)
        # What one look alone takes for the subject is outvoted by the others before any outline is drawn.
        doubted = _doubted({index: small[index] for index in anchors}, likely)
        agreed, _ = _both_ways(backward, forward, likely)
        cuts = {index: _cut(small[index], agreed[index], doubted[index]) for index in anchors}
        steady, overlaps = _both_ways(backward, forward, cuts)
        if not self._sized(list(cuts.values())) or min(overlaps, default=1.0) < self.config.min_steadiness:
            return np.zeros(frames.shape[:3], np.float32)
        return np.stack([_outline(frame, mask) for frame, mask in zip(frames, steady, strict=True)])

    def _likely(self, frames: Frames, anchors: Sequence[int]) -> dict[int, Mask] | None:
        """What the network sees at each anchor; None as soon as too many looks show no subject of credible size."""
        likely: dict[int, Mask] = {}
        absent = 0
        for index in anchors:
            likely[index] = self._look(frames[index])
            absent += not self._credible((likely[index] > 0.5).astype(np.float32))
            if len(anchors) - absent < self.config.min_presence * len(anchors):
                return None
        return likely

    def _sized(self, looks: Sequence[Mask]) -> bool:
        return sum(map(self._credible, looks)) >= self.config.min_presence * len(looks)

    def _credible(self, look: Mask) -> bool:
        return self.config.min_share <= float(look.mean()) <= self.config.max_share

    def _look(self, frame: Frame) -> Mask:
        wide = np.asarray((self._forward(frame) + self._mirrored(frame)) / 2, np.float32)
        if (wide > 0.5).mean() < self.config.min_share / 2:
            return np.zeros(frame.shape[:2], np.float32)
        near = self._zoomed(frame, wide, ZOOMS[0], self._forward)
        nearer = self._zoomed(frame, np.float32(0.5) * (wide + near), ZOOMS[1], self._mirrored)
        nearest = self._zoomed(frame, np.float32(0.5) * (near + nearer), ZOOMS[2], self._forward)
        return np.asarray((near + nearer + nearest) / 3, np.float32)

    def _zoomed(self, frame: Frame, guess: Mask, zoom: float, see: Callable[[Frame], Mask]) -> Mask:
        top, bottom, left, right = _box(guess, zoom)
        mask = np.zeros(frame.shape[:2], np.float32)
        mask[top:bottom, left:right] = see(frame[top:bottom, left:right])
        return mask

    def _mirrored(self, frame: Frame) -> Mask:
        return np.asarray(self._forward(np.ascontiguousarray(frame[:, ::-1]))[:, ::-1], np.float32)

    def _forward(self, frame: Frame) -> Mask:
        scaled = cv2.resize(frame, NETWORK_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        # The network object holds its activations: one caller at a time.
        with self._lock:
            self._net.setInput(cv2.dnn.blobFromImage(scaled))
            found = np.array(self._net.forward()[0, 0], np.float32)
        return np.asarray(cv2.resize(found, frame.shape[1::-1]), np.float32)


def _box(guess: Mask, zoom: float) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of a 16:9 window around what is likely, `zoom` times its extent."""
    height, width = guess.shape
    rows, columns = np.nonzero(guess > 0.5)
    if len(rows) == 0:
        return 0, height, 0, width
    (top, bottom), (left, right) = np.percentile(rows, [1, 99]), np.percentile(columns, [1, 99])
    wide = max((right - left) * zoom, (bottom - top) * zoom * 16 / 9, 32.0)
    high = wide * 9 / 16
    middle_row, middle_column = (top + bottom) / 2, (left + right) / 2
    window = np.array(
        [middle_row - high / 2, middle_row + high / 2, middle_column - wide / 2, middle_column + wide / 2]
    )
    limits = np.array([height, height, width, width])
    first, last, start, end = np.clip(window.round(), 0, limits).astype(int)
    return int(first), int(last), int(start), int(end)


def _doubted(frames: dict[int, Frame], likely: dict[int, Mask]) -> dict[int, NDArray[np.bool_]]:
    """By look, the places that show what other looks saw there too and were not sure of."""
    height, width = next(iter(frames.values())).shape[:2]
    half = (width // 2, height // 2)
    seen = {
        index: cv2.blur(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), (3, 3))
        for index, frame in frames.items()
    }
    sure = {index: cv2.resize(mask, half, interpolation=cv2.INTER_AREA) for index, mask in likely.items()}
    found = {}
    for index, here in seen.items():
        doubts, certain = np.zeros(half[::-1], np.float32), np.zeros(half[::-1], np.float32)
        for other, there in seen.items():
            same = cv2.absdiff(here, there).max(axis=2) < SAME_LEVELS
            doubts += same & (sure[other] < 0.9)
            certain += same & (sure[other] >= 0.97)
        doubted = (doubts >= 2) & (doubts > 0.35 * certain)
        found[index] = cv2.resize(doubted.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return found


def _cut(frame: Frame, probability: Mask, doubted: NDArray[np.bool_]) -> Mask:
    """The outline by colour: what the views agree on is the subject, what they doubt is probably not."""
    sure = ((probability > 0.85) & ~doubted).astype(np.uint8)
    if sure.sum() < 50:
        return np.zeros(probability.shape, np.float32)
    labels = np.full(probability.shape, cv2.GC_BGD, np.uint8)
    labels[(probability > 0.35) & ~doubted] = cv2.GC_PR_BGD
    labels[sure > 0] = cv2.GC_PR_FGD
    # The rim of what is sure is never settled by the views: colour draws it.
    labels[(cv2.dilate(sure, np.ones((5, 5), np.uint8)) > 0) & (labels == cv2.GC_BGD)] = cv2.GC_PR_BGD
    depth = cv2.distanceTransform(sure, cv2.DIST_L2, 5)
    core = depth > 0.5 * depth.max()
    labels[core | _joined((probability > 0.95) & (sure > 0), core)] = cv2.GC_FGD
    rows, columns = np.nonzero(probability > 0.35)
    top, left = max(0, rows.min() - CUT_MARGIN), max(0, columns.min() - CUT_MARGIN)
    window = np.s_[top : rows.max() + CUT_MARGIN, left : columns.max() + CUT_MARGIN]
    colours, found = cv2.cvtColor(frame[window], cv2.COLOR_RGB2LAB), np.ascontiguousarray(labels[window])
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(colours, found, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
    cut = np.zeros(probability.shape, np.uint8)
    cut[window] = (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)
    return _largest(cut)


def _joined(likely: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is likely and joined to the core, less its rim: arms, but not the stone beside them."""
    _, parts = cv2.connectedComponents(likely.astype(np.uint8))
    joined = np.isin(parts, np.unique(parts[core & likely])) & likely
    return np.asarray(cv2.erode(joined.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _largest(mask: Frame) -> Mask:
    """The mask without specks and pinholes: its parts of at least a tenth of the largest, narrow gaps closed."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(closed)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    kept = [part for part in range(1, count) if areas[part - 1] >= 0.1 * areas.max()]
    return np.isin(parts, kept).astype(np.float32)


def _flows(frames: Frames) -> tuple[Flows, Flows]:
    """Of every link between neighbours: from the later frame back to the earlier, and from the earlier on."""
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    links = list(pairwise([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]))
    start = np.zeros((*frames.shape[1:3], 2), np.float32)
    backward = [np.asarray(engine.calc(later, earlier, start.copy()), np.float32) for earlier, later in links]
    return backward, [np.asarray(engine.calc(earlier, later, start.copy()), np.float32) for earlier, later in links]


def _both_ways(backward: Flows, forward: Flows, looks: dict[int, Mask]) -> tuple[Masks, list[float]]:
    """A mask of every frame from the looks before and after it; and how well each look agreed with the one before."""
    onward, overlaps = _carry(backward, looks)
    last = len(backward)
    returned, _ = _carry(forward[::-1], {last - index: look for index, look in looks.items()})
    return np.asarray((onward + returned[::-1]) / 2, np.float32), overlaps


def _carry(flows: Flows, looks: dict[int, Mask]) -> tuple[Masks, list[float]]:
    """Masks carried from frame to frame along the flow, renewed in part at each look, and the overlaps there."""
    rows, columns = np.mgrid[: looks[0].shape[0], : looks[0].shape[1]].astype(np.float32)
    masks, overlaps = [looks[0]], []
    for index, back in enumerate(flows, start=1):
        path = columns + back[..., 0], rows + back[..., 1]
        carried = np.asarray(cv2.remap(masks[-1], *path, cv2.INTER_LINEAR), np.float32)
        if index in looks:
            overlaps.append(_overlap(carried, looks[index]))
            carried = np.asarray(carried + RENEWED * (looks[index] - carried), np.float32)
        masks.append(carried)
    return np.stack(masks), overlaps


def _overlap(first: Mask, second: Mask) -> float:
    either, both = ((first > 0.5) | (second > 0.5)).sum(), ((first > 0.5) & (second > 0.5)).sum()
    return float(both / either) if either else 0.0


def _outline(frame: Frame, mask: Mask) -> Mask:
    """The mask at full size, its edge drawn where the frame's is."""
    large = cv2.resize(mask, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    firm = np.clip((large - 0.25) / 0.5, 0, 1)
    outlined = np.zeros(frame.shape[:2], np.float32)
    left, top, width, height = cv2.boundingRect((firm > 0).astype(np.uint8))
    if width == 0:
        return outlined
    window = np.s_[max(0, top - 8) : top + height + 8, max(0, left - 8) : left + width + 8]
    drawn = cv2.ximgproc.guidedFilter(np.ascontiguousarray(frame[window]), firm[window], 5, 1e-4 * 255**2)
    outlined[window] = np.clip((drawn - 0.05) / 0.9, 0, 1)
    return outlined
