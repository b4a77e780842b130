"""An edit learnt from one key pair: which region, which colours, which textures; then done to any frame of the clip."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ditto_models.base import EditRequest, Frame, Mask, Masks, Route
from ditto_models.embedded.detail import Detail, fit_detail
from ditto_models.embedded.lut import Lut, LutConfig, Picture, fit_lut

OUTSIDE = 0.04
"""A region weight below this is outside the edit, where the source stays as it is."""
FAR_SHARE = 0.25
"""Change far from the subject, as a share of the change on it, from which the background is what was edited."""
SUBJECT_SHARE = 0.01
"""A subject smaller than this share of the picture gets no colour table of its own."""


@dataclass(frozen=True, kw_only=True)
class FittedEdit:
    """What to do to a frame: a colour table (one more for the subject where it has its own), detail gains."""

    lut: Lut
    subject_lut: Lut | None
    detail: Detail

    def apply(self, frame: Frame, mask: Mask, region: Mask) -> Picture:
        """The edited frame, HWC float32 not clipped; exactly the source where the HW `region` is 0."""
        edited = self.lut.apply(frame)
        if self.subject_lut is not None:
            edited += mask[..., None] * (self.subject_lut.apply(frame) - edited)
        edited += self.detail.apply(frame)
        edited -= frame
        edited *= region[..., None]
        edited += frame
        return edited


def fit_edit(
    source: Frame, edited: Frame, mask: Mask, region: Mask, route: Route, config: LutConfig | None = None
) -> FittedEdit:
    """The edit that best maps `source` to `edited` (HWC uint8 RGB) inside the HW `region`.

    Where the region is soft, the pair is taken as blended by it, so blending again gives the pair back.
    """
    share = np.maximum(region, OUTSIDE)[..., None]
    wanted = np.clip((edited - (1 - share) * source.astype(np.float32)) / share, -64, 320).astype(np.float32)
    weights = np.where(region < OUTSIDE, 0, region * region).astype(np.float32)
    two_layers = route == "structure" and SUBJECT_SHARE < float(mask.mean()) < 1 - SUBJECT_SHARE
    lut = fit_lut(source, wanted, weights * (1 - mask) if two_layers else weights, config)
    subject_lut = fit_lut(source, wanted, weights * mask, config) if two_layers else None
    mapped = lut.apply(source)
    if subject_lut is not None:
        mapped += mask[..., None] * (subject_lut.apply(source) - mapped)
    return FittedEdit(lut=lut, subject_lut=subject_lut, detail=fit_detail(source, wanted - mapped, weights))


def edit_region(source: Frame, edited: Frame, mask: Mask, request: EditRequest, route: Route) -> str:
    """ "all", "subject" or "background": the request's parameter "region", else where the key pair differs more."""
    if route == "structure":
        return "all"
    named = request.parameters.get("region")
    if named in ("subject", "background"):
        return str(named)
    change = np.asarray(cv2.absdiff(source, edited).mean(axis=2))
    far = mask < OUTSIDE
    if not far.any():
        return "subject"
    # An edit of the subject leaves what is far from it alone, however faint the mask.
    inside = float((change * mask).sum()) / max(float(mask.sum()), 1e-6)
    return "background" if float(change[far].mean()) > FAR_SHARE * inside else "subject"


def region_weights(region: str, masks: Masks, index: int) -> Mask:
    """Weights of a region in one frame, HW float32, 0 outside it."""
    mask = masks[index]
    weights = np.ones_like(mask) if region == "all" else mask if region == "subject" else 1 - mask
    return np.asarray(np.clip((weights - OUTSIDE) / (1 - 2 * OUTSIDE), 0, 1), dtype=np.float32)
