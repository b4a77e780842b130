"""Edits a key frame with Qwen-Image 2.1, given the frame as its condition: QwenImage21Pipeline of diffusers.

Mind its licence, which is for research and evaluation only; Qwen-Image-Edit (`qwen_image_edit.py`) is Apache-2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from ditto_models.base import EditRequest, Frame
from ditto_models.gpu.canvas import Canvas, area_canvas
from ditto_models.gpu.denoising import drawn
from ditto_models.gpu.instruct_editor import InstructEditor, InstructEditorConfig, guidance_at
from ditto_models.gpu.weights import WeightsConfig

if TYPE_CHECKING:
    import torch


class QwenImage21Config(InstructEditorConfig):
    """Which weights, and how they are sampled."""

    weights: WeightsConfig = WeightsConfig(repo="Qwen/Qwen-Image-2.1")
    """Of a QwenImage21Pipeline."""
    steps: int | None = Field(default=None, ge=2, le=200)
    """Of denoising; None takes the schedule that comes with the weights, or 40 steps where none does."""
    true_cfg: float = Field(default=1.0, ge=1, le=20)
    """Classifier-free guidance at strength 1. The model is meant to be sampled without (1), in half the time; strength
    is left aside then."""
    resolution: int = Field(default=1024, ge=64, le=2048, multiple_of=32)
    """The square root of the area of the picture that it works on, in pixels."""


class QwenImage21Editor(InstructEditor[QwenImage21Config]):
    """KeyFrameEditor by Qwen-Image 2.1."""

    pipeline = "QwenImage21Pipeline"

    def canvas(self, frame_width: int, frame_height: int) -> Canvas:
        """Of the area asked for."""
        return area_canvas(frame_width, frame_height, self.config.resolution**2)

    def redraw(self, pipeline: Any, picture: Image.Image, request: EditRequest, noise: torch.Generator) -> Frame:
        """The edited picture."""
        true_cfg = guidance_at(request.strength, self.config.true_cfg)
        steps = self.config.steps
        rgba = drawn(
            pipeline,
            image=picture,
            prompt=request.text,
            negative_prompt=" " if true_cfg > 1 else None,
            true_cfg_scale=true_cfg,
            width=picture.width,
            height=picture.height,
            output_resolution=self.config.resolution,
            # Otherwise a schedule that comes with the weights would go before a number of steps.
            sigmas=np.linspace(1, 1 / steps, steps) if steps else None,
            generator=noise,
        )
        return _opaque(rgba)


def _opaque(picture: NDArray[np.uint8]) -> Frame:
    """RGB of RGBA, HWC: video has no alpha. Over white, as the model was trained to read transparent pictures."""
    alpha = picture[:, :, 3:].astype(np.float32) / 255
    return np.asarray(np.rint(picture[:, :, :3] * alpha + 255 * (1 - alpha)), np.uint8)
