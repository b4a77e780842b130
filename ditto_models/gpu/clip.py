"""How well words and pictures agree, by CLIP (Radford et al. 2021, arXiv 2103.00020; code and weights MIT).

ViT-L/14 of OpenAI is what EditVerseBench and most papers on video editing report with; another CLIP gives other
numbers, which must not be held against theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ditto_models.base import Frames
from ditto_models.gpu.batched import BatchedConfig, BatchedNetwork, Pretrained, pretrained
from ditto_models.gpu.placement import DeviceConfig
from ditto_models.gpu.weights import WeightsConfig, located, resolved

if TYPE_CHECKING:
    import torch


class ClipConfig(BatchedConfig):
    """Which network."""

    weights: WeightsConfig = WeightsConfig(repo="openai/clip-vit-large-patch14")
    placement: DeviceConfig = DeviceConfig(dtype="float32")
    """In whole precision: neighbouring frames differ by thousandths."""
    batch: int = Field(default=32, ge=1)


@dataclass(frozen=True, kw_only=True)
class WithWords(Pretrained):
    """A model that reads, and what turns words into its tokens."""

    tokenizer: Any


class Clip(BatchedNetwork[ClipConfig, WithWords]):
    """A WordPictureEmbedder."""

    def load(self) -> WithWords:
        """Read the weights and put them in place.

        Raises:
            WeightsError: they cannot be had.
        """
        loaded = pretrained("CLIPImageProcessor", "CLIPModel", self.config.weights, self.config.placement)
        from transformers import CLIPTokenizer

        tokenizer = CLIPTokenizer.from_pretrained(located(self.config.weights))
        self.name = resolved(self.config.weights)  # a branch's commit is known from here on
        return WithWords(processor=loaded.processor, model=loaded.model, tokenizer=tokenizer)

    def embed_pictures(self, frames: Frames) -> NDArray[np.float32]:
        """Unit vectors TD float32 of frames THWC uint8 RGB, each cropped to its middle square as CLIP was trained."""
        return self.with_loaded(lambda loaded: self._of_pictures(loaded, frames))

    def embed_words(self, words: str) -> NDArray[np.float32]:
        """The unit vector D float32 of a text; what is beyond CLIP's 77 tokens is not read."""
        return self.with_loaded(lambda loaded: _of_words(loaded, words))

    def _of_pictures(self, loaded: WithWords, frames: Frames) -> NDArray[np.float32]:
        import torch

        found = [np.empty((0, loaded.model.config.projection_dim), np.float32)]
        for part in self.batches(len(frames)):
            pixels_TCHW = torch.from_numpy(np.require(frames[part], requirements="W")).permute(0, 3, 1, 2)
            inputs = loaded.processor(images=list(pixels_TCHW), device=loaded.model.device, return_tensors="pt")
            with torch.inference_mode():
                output = loaded.model.get_image_features(inputs["pixel_values"].to(loaded.model.dtype))
            found.append(_unit(output.pooler_output))
        return np.concatenate(found)


def _of_words(loaded: WithWords, words: str) -> NDArray[np.float32]:
    import torch

    most = loaded.model.config.text_config.max_position_embeddings
    tokens = loaded.tokenizer([words], truncation=True, max_length=most, return_tensors="pt").to(loaded.model.device)
    with torch.inference_mode():
        output = loaded.model.get_text_features(**tokens)
    return np.asarray(_unit(output.pooler_output)[0], np.float32)


def _unit(vectors_ND: torch.Tensor) -> NDArray[np.float32]:
    import torch

    return np.asarray(torch.nn.functional.normalize(vectors_ND.float(), dim=1).cpu().numpy(), np.float32)
