"""Edits a key frame with a named look: measured colour and brush work, no generation of things that are not there."""

from __future__ import annotations

import numpy as np

from ditto_models.base import EditRequest, Frame, Mask, UnsupportedEdit
from ditto_models.embedded.looks.picture import Picture
from ditto_models.embedded.looks.registry import LOOKS


class KeyFrameEditor:
    """KeyFrameEditor by the looks of `looks/registry.py`. Stateless: any thread may call it."""

    name = "embedded-looks"

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        """The edited frame, HWC uint8 as `frame`, for a mask HW float32 in 0..1.

        Raises:
            UnsupportedEdit: the request names no look of the registry.
            ValueError: the strength lies outside 0..1, or a parameter is not what the look needs.
        """
        look = LOOKS.get(request.look)
        if look is None:
            raise UnsupportedEdit(f"look {request.look!r} of {request.text!r}: expected one of {', '.join(LOOKS)}")
        if not 0 <= request.strength <= 1:
            raise ValueError(f"strength {request.strength}: expected 0 to 1")
        strength = min(1.0, request.strength * _nuance(request.seed))
        return look(Picture(frame=frame, mask=mask, strength=strength, parameters=request.parameters))


def _nuance(seed: int) -> float:
    """0.9 to 1.1: candidates of one request differ a little in how far they go, the only thing left to chance."""
    return float(np.random.default_rng(seed).uniform(0.9, 1.1))
