"""Depth of a clip by Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414), on one scale for all its frames.

The network looks at single frames and says how near things are, on a scale that suits each frame. A frame stretched to
0..1 by itself would make a clip pump whenever something comes close, so the scale is that of the clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ditto_models.base import Frames, Masks
from ditto_models.gpu.batched import BatchedConfig, BatchedNetwork, Pretrained, pretrained
from ditto_models.gpu.placement import DeviceConfig
from ditto_models.gpu.weights import WeightsConfig, resolved

if TYPE_CHECKING:
    import torch

SAMPLED_EVERY = 2
"""Pixels, across and down, at which the clip's range is measured: a quarter of them give the same percentiles."""
LEAST_DISTANCE = 1e-3
"""Metres, for networks that say distance: nothing is nearer."""


class DepthAnythingConfig(BatchedConfig):
    """Which network, and how its depth is scaled."""

    weights: WeightsConfig = WeightsConfig(repo="depth-anything/Depth-Anything-V2-Small-hf")
    """The small network is Apache-2.0; Base and Large are CC-BY-NC-4.0, which forbids commercial use."""
    placement: DeviceConfig = DeviceConfig(dtype="float32")
    """In whole precision: bfloat16 has 8 bits, whose steps show in smooth ground."""
    short_side: int = Field(default=518, ge=14)
    """Pixels of a frame's shorter side as the network sees it, rounded to its patches; it was trained at 518."""
    farthest: float = Field(default=0.01, ge=0, lt=0.5)
    """Share of the clip's pixels that are taken for the farthest, 0: single pixels must not set the scale."""
    nearest: float = Field(default=0.01, ge=0, lt=0.5)
    """The same for the nearest, 1."""
    smoothing: float = Field(default=0.0, ge=0, le=0.6)
    """Share of the two neighbours in each frame's depth; 0 leaves it as it is, since what moves would be smeared."""


class DepthAnything(BatchedNetwork[DepthAnythingConfig, Pretrained]):
    """A DepthEstimator."""

    def load(self) -> Pretrained:
        """Read the weights and put them in place.

        Raises:
            WeightsError: they cannot be had.
        """
        config = self.config
        loaded = pretrained("AutoImageProcessor", "AutoModelForDepthEstimation", config.weights, config.placement)
        self.name = resolved(config.weights)  # a branch's commit is known from here on
        return loaded

    def depth(self, frames: Frames) -> Masks:
        """Nearness THW float32, 0 (farthest of the whole clip) to 1 (nearest), of frames THWC uint8 RGB.

        Raises:
            ValueError: there are no frames.
        """
        if frames.ndim != 4 or not len(frames):
            raise ValueError(f"frames are {frames.shape}; expected at least one, THWC")
        near_THW = self.with_loaded(lambda loaded: self._nearness(loaded, frames))
        return self._scaled(_smoothed(near_THW, self.config.smoothing))

    def _nearness(self, loaded: Pretrained, frames: Frames) -> Masks:
        near_THW = np.empty(frames.shape[:3], np.float32)
        for part in self.batches(len(frames)):
            near_THW[part] = self._of_batch(loaded, frames[part]).cpu().numpy()
        return near_THW

    def _of_batch(self, loaded: Pretrained, frames: Frames) -> torch.Tensor:
        import torch

        pixels_TCHW = torch.from_numpy(np.require(frames, requirements="W")).permute(0, 3, 1, 2)
        size = self._seen_size(*frames.shape[1:3])
        inputs = loaded.processor(images=list(pixels_TCHW), size=size, device=loaded.model.device, return_tensors="pt")
        with torch.inference_mode():
            outputs = loaded.model(pixel_values=inputs["pixel_values"].to(loaded.model.dtype))
        outputs.predicted_depth = outputs.predicted_depth.float()
        sizes = [frames.shape[1:3]] * len(frames)
        found = loaded.processor.post_process_depth_estimation(outputs, target_sizes=sizes)
        depth_THW = torch.stack([one["predicted_depth"] for one in found])
        if loaded.model.config.depth_estimation_type == "metric":  # distance in metres: the farther the larger
            depth_THW = 1 / depth_THW.clamp(min=LEAST_DISTANCE)
        return depth_THW

    def _seen_size(self, height: int, width: int) -> dict[str, int]:
        """What the network sees; by itself its processor would fit 640x360 into 518x294, a third of the pixels."""
        scale = self.config.short_side / min(height, width)
        return {"height": round(height * scale), "width": round(width * scale)}

    def _scaled(self, near_THW: Masks) -> Masks:
        """All frames from 0 to 1 together; a clip without depth is 0 everywhere."""
        sampled = near_THW[:, ::SAMPLED_EVERY, ::SAMPLED_EVERY]
        low, high = np.quantile(sampled, [self.config.farthest, 1 - self.config.nearest])
        if not high > low:
            return np.zeros_like(near_THW)
        return np.asarray(np.clip((near_THW - low) / (high - low), 0, 1), np.float32)


def _smoothed(near_THW: Masks, share: float) -> Masks:
    """Each frame with this share of its two neighbours; the first and the last stand beside themselves."""
    if not share:
        return near_THW
    before, after = np.concatenate([near_THW[:1], near_THW[:-1]]), np.concatenate([near_THW[1:], near_THW[-1:]])
    return np.asarray((1 - share) * near_THW + share / 2 * (before + after), np.float32)
