"""What pictures look like by DINOv2 (Oquab et al. 2023, arXiv 2304.07193; Apache-2.0), by which Ditto drops duplicates.

Where a perceptual hash knows a copy of the very same pictures, these features also know one that was cropped, mirrored
or begins some frames later: a clip is the mean of its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frames
from ditto_models.executors.of_call import stop_if_cancelled
from ditto_models.gpu.network import Network
from ditto_models.gpu.placement import DeviceConfig, device_of, dtype_of
from ditto_models.gpu.weights import WeightsConfig, located, resolved


class Dinov2Config(BaseModel):
    """Which network, and when two clips are one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: WeightsConfig = WeightsConfig(repo="facebook/dinov2-base")
    placement: DeviceConfig = DeviceConfig(dtype="float32")
    """In whole precision: near-duplicates differ by a few hundredths."""
    batch: int = Field(default=64, ge=1)
    """Pictures in one forward."""
    max_distance: float = Field(default=0.06, ge=0, le=2)
    """Cosine distance of two clips that are one and the same. Not measured yet, for want of weights: set it between
    what copies and other clips differ by, which `python -m bench.clip_borders --dinov2 FOLDER` prints."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What `from_pretrained` returned."""

    processor: Any
    model: Any


class Dinov2(Network[Dinov2Config, Loaded]):
    """A PictureEmbedder."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)
        self._batch = config.batch

    def load(self) -> Loaded:
        """Read the weights and put them in place.

        Raises:
            WeightsError: they cannot be had.
        """
        from transformers import AutoImageProcessor, Dinov2Model

        folder = located(self.config.weights)
        self.name = resolved(self.config.weights)  # a branch's commit is known from here on
        placement = self.config.placement
        model = Dinov2Model.from_pretrained(folder, dtype=dtype_of(placement), use_safetensors=True)
        return Loaded(processor=AutoImageProcessor.from_pretrained(folder), model=model.to(device_of(placement)).eval())

    def ease(self, loaded: Loaded) -> str:
        """Fewer pictures at once."""
        if self._batch == 1:
            return ""
        self._batch = (self._batch + 1) // 2
        return f"looks at {self._batch} pictures at once from now on"

    def embed_pictures(self, frames: Frames) -> NDArray[np.float32]:
        """Unit vectors TD float32 of frames THWC uint8 RGB: the class token, after the last norm."""
        return self.with_loaded(lambda loaded: self._embedded(loaded, frames))

    def _embedded(self, loaded: Loaded, frames: Frames) -> NDArray[np.float32]:
        import torch

        found = [np.empty((0, loaded.model.config.hidden_size), np.float32)]
        start = 0
        while start < len(frames):
            stop_if_cancelled()
            part = torch.from_numpy(frames[start : start + self._batch]).permute(0, 3, 1, 2)
            inputs = loaded.processor(images=list(part), device=loaded.model.device, return_tensors="pt")
            with torch.inference_mode():
                output = loaded.model(pixel_values=inputs["pixel_values"].to(loaded.model.dtype))
            found.append(torch.nn.functional.normalize(output.pooler_output.float(), dim=1).cpu().numpy())
            start += len(part)
        return np.concatenate(found)
