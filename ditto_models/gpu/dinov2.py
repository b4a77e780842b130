"""What pictures look like by DINOv2 (Oquab et al. 2023, arXiv 2304.07193; Apache-2.0), by which Ditto drops duplicates.

Where a perceptual hash knows a copy of the very same pictures, these features also know one that was cropped, mirrored
or begins some frames later: a clip is the mean of its pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ditto_models.base import Frames
from ditto_models.gpu.batched import BatchedConfig, BatchedNetwork, Pretrained, pretrained
from ditto_models.gpu.placement import DeviceConfig
from ditto_models.gpu.weights import WeightsConfig, resolved


class Dinov2Config(BatchedConfig):
    """Which network, and when two clips are one."""

    weights: WeightsConfig = WeightsConfig(repo="facebook/dinov2-base")
    placement: DeviceConfig = DeviceConfig(dtype="float32")
    """In whole precision: near-duplicates differ by a few hundredths."""
    batch: int = Field(default=64, ge=1)
    max_distance: float = Field(default=0.06, ge=0, le=2)
    """Cosine distance of two clips that are one and the same. Not measured yet, for want of weights: set it between
    what copies and other clips differ by, which `python -m bench.clip_borders --dinov2 FOLDER` prints."""


class Dinov2(BatchedNetwork[Dinov2Config, Pretrained]):
    """A PictureEmbedder."""

    def load(self) -> Pretrained:
        """Read the weights and put them in place.

        Raises:
            WeightsError: they cannot be had.
        """
        loaded = pretrained("AutoImageProcessor", "Dinov2Model", self.config.weights, self.config.placement)
        self.name = resolved(self.config.weights)  # a branch's commit is known from here on
        return loaded

    def embed_pictures(self, frames: Frames) -> NDArray[np.float32]:
        """Unit vectors TD float32 of frames THWC uint8 RGB: the class token, after the last norm."""
        return self.with_loaded(lambda loaded: self._embedded(loaded, frames))

    def _embedded(self, loaded: Pretrained, frames: Frames) -> NDArray[np.float32]:
        import torch

        found = [np.empty((0, loaded.model.config.hidden_size), np.float32)]
        for part in self.batches(len(frames)):
            pixels_TCHW = torch.from_numpy(frames[part]).permute(0, 3, 1, 2)
            inputs = loaded.processor(images=list(pixels_TCHW), device=loaded.model.device, return_tensors="pt")
            with torch.inference_mode():
                output = loaded.model(pixel_values=inputs["pixel_values"].to(loaded.model.dtype))
            found.append(torch.nn.functional.normalize(output.pooler_output.float(), dim=1).cpu().numpy())
        return np.concatenate(found)
