"""Everything a critic may look at: pixels, what was asked, and what was measured once for all axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames, Mask, Masks, Scope
from ditto_models.embedded.flow import ClipFlow
from ditto_models.embedded.flow_meter import FlowMeter
from tools.catalogue import Expectation

Region = Literal["all", "subject", "background"]
MARGIN_SHARE = 0.02
"""Of the height, round an edit that changes shapes: its seams are no shapes of the source."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A pair to judge; `source` and `edited` are THWC uint8 RGB of one shape. None means not known.

    Raises:
        ValueError: the shapes differ.
    """

    source: Frames
    edited: Frames
    masks: Masks | None = None
    """Of the subject, THW."""
    key_index: int | None = None
    key_edited: Frame | None = None
    scope: Scope | None = None
    expectation: Expectation | None = None
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    unsafe_probability: float | None = None
    restyled: bool = False
    """A style edit that redraws texture: detail and edges may change, shapes may not."""
    reshaped: bool = False
    """Where the edit is, shapes may change, come and go; elsewhere they may not."""
    lively: bool = False
    """The edit brings motion of its own, as rain does."""
    repainted: bool = False
    """Made by models that paint every pixel anew, which follow a key frame in looks and not pixel by pixel."""
    masks_are_grown: bool = False
    """The masks leave room round what they mark, or mark what is not in the source."""
    meter: FlowMeter = field(default_factory=FlowMeter)
    """Measures the source's motion, or knows it from whoever measured it before."""

    def __post_init__(self) -> None:
        if self.source.ndim != 4 or self.source.shape != self.edited.shape:
            raise ValueError(f"source {self.source.shape} and edited {self.edited.shape}: expected one THWC shape")
        if self.masks is not None and self.masks.shape != self.source.shape[:3]:
            raise ValueError(f"masks {self.masks.shape}: expected one a frame, {self.source.shape[:3]}")

    @cached_property
    def source_flow(self) -> ClipFlow:
        """The source's motion."""
        return self.meter.measure(self.source)

    @property
    def region(self) -> Region:
        """Where the edit was meant to be."""
        if self.expectation is not None:
            return self.expectation.region
        return "subject" if self.scope == "local" else "all"

    @cached_property
    def held(self) -> Frames | None:
        """The edited video as far as its shapes are held to the source's, THWC: all of it, but for an edit that changes
        shapes only what is outside of it, with the source in its place. None where that leaves nothing.
        """
        if not self.reshaped:
            return self.edited
        if self.region == "all" or self.masks is None:
            return None
        inside = np.stack([self._grown(index) for index in range(len(self.source))])
        return np.where(inside[..., None], self.source, self.edited)

    def _grown(self, index: int) -> NDArray[np.bool_]:
        weights = self.weights(index)
        assert weights is not None
        size = round(MARGIN_SHARE * weights.shape[0]) * 2 + 1
        return np.asarray(cv2.dilate((weights > 0.05).astype(np.uint8), np.ones((size, size), np.uint8)) > 0)

    @property
    def redrawn(self) -> bool:
        """Whether the whole picture may have other texture and tones than the source."""
        return self.restyled or (self.reshaped and self.region == "all")

    @property
    def softened(self) -> bool:
        """Whether less fine detail was asked for."""
        return self.redrawn or (self.expectation is not None and self.expectation.changes.get("fine_detail", 0.0) < 0)

    def weights(self, index: int) -> Mask | None:
        """How far each pixel of a frame belongs to the region, HW; None where that needs masks and there are none."""
        if self.region == "all":
            return np.ones(self.source.shape[1:3], dtype=np.float32)
        if self.masks is None:
            return None
        mask = self.masks[index]
        return mask if self.region == "subject" else np.asarray(1 - mask, dtype=np.float32)
