"""Edits a key frame in 4 steps with FLUX.2 [klein], the light choice: Flux2KleinPipeline of diffusers.

Of the klein models the 4B ones are Apache-2.0; those of 9B are not for commercial use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image
from pydantic import Field

from ditto_models.base import EditRequest, Frame
from ditto_models.gpu.canvas import Canvas, snug_canvas
from ditto_models.gpu.denoising import drawn
from ditto_models.gpu.instruct_editor import InstructEditor, InstructEditorConfig, guidance_at
from ditto_models.gpu.weights import WeightsConfig, WeightsError

if TYPE_CHECKING:
    import torch

MOST_PIXELS = 1024 * 1024
"""Of a picture that the pipeline takes as a condition without scaling it."""


class Flux2KleinConfig(InstructEditorConfig):
    """Which weights, and how they are sampled."""

    weights: WeightsConfig = WeightsConfig(repo="black-forest-labs/FLUX.2-klein-4B")
    """Of a Flux2KleinPipeline."""
    steps: int = Field(default=4, ge=1, le=200)
    """Of denoising; 4 is what the distilled models are made for, the base models want 50."""
    guidance: float = Field(default=1.0, ge=1, le=20)
    """Classifier-free guidance at strength 1, for base models only. Distilled models have none, whatever the strength:
    more than 1 is refused when they are loaded."""
    most_pixels: int = Field(default=MOST_PIXELS, ge=256 * 256, le=MOST_PIXELS)
    """Larger frames are edited at this area; smaller ones in their own size."""


class Flux2KleinEditor(InstructEditor[Flux2KleinConfig]):
    """KeyFrameEditor by FLUX.2 [klein]."""

    pipeline = "Flux2KleinPipeline"

    def load(self) -> Any:
        """The pipeline.

        Raises:
            WeightsError: they are not there, are another model's, or distilled where guidance is asked for.
        """
        pipeline = super().load()
        if pipeline.config.is_distilled and self.config.guidance > 1:
            raise WeightsError(
                f"{self.name} is distilled and has no guidance, got {self.config.guidance}; expected 1, or a base model"
            )
        return pipeline

    def canvas(self, frame_width: int, frame_height: int) -> Canvas:
        """The frame's own size where it can be."""
        return snug_canvas(frame_width, frame_height, 16, self.config.most_pixels)

    def redraw(self, pipeline: Any, picture: Image.Image, request: EditRequest, noise: torch.Generator) -> Frame:
        """The edited picture."""
        return drawn(
            pipeline,
            image=picture,
            prompt=request.text,
            guidance_scale=guidance_at(request.strength, self.config.guidance),
            width=picture.width,
            height=picture.height,
            num_inference_steps=self.config.steps,
            generator=noise,
        )
