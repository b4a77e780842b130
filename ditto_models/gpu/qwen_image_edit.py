"""Edits a key frame with Qwen-Image-Edit: QwenImageEditPlusPipeline of diffusers (Wu et al., arXiv 2508.02324)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image
from pydantic import Field

from ditto_models.base import EditRequest, Frame
from ditto_models.gpu.canvas import Canvas, area_canvas
from ditto_models.gpu.denoising import drawn
from ditto_models.gpu.instruct_editor import InstructEditor, InstructEditorConfig, guidance_at
from ditto_models.gpu.weights import WeightsConfig

if TYPE_CHECKING:
    import torch


class QwenImageEditConfig(InstructEditorConfig):
    """Which weights, and how they are sampled."""

    weights: WeightsConfig = WeightsConfig(repo="Qwen/Qwen-Image-Edit-2511")
    """Of a QwenImageEditPlusPipeline."""
    steps: int = Field(default=40, ge=2, le=200)
    """Of denoising; a schedule of one is not a number."""
    true_cfg: float = Field(default=4.75, ge=1, le=20)
    """Classifier-free guidance at strength 1, where 1 is none and takes half the time; at strength 0.8 the default is
    the 4 of its authors. 1 for few-step LoRAs, which then leave strength aside."""


class QwenImageEditor(InstructEditor[QwenImageEditConfig]):
    """KeyFrameEditor by Qwen-Image-Edit; it works on a picture of one megapixel, whatever the frame's size."""

    pipeline = "QwenImageEditPlusPipeline"

    def canvas(self, frame_width: int, frame_height: int) -> Canvas:
        """One megapixel, as the pipeline has it."""
        from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

        return area_canvas(frame_width, frame_height, plus.VAE_IMAGE_SIZE)

    def redraw(self, pipeline: Any, picture: Image.Image, request: EditRequest, noise: torch.Generator) -> Frame:
        """The edited picture."""
        true_cfg = guidance_at(request.strength, self.config.true_cfg)
        return drawn(
            pipeline,
            image=picture,
            prompt=request.text,
            # Guidance away from the picture without any words.
            negative_prompt=" " if true_cfg > 1 else None,
            true_cfg_scale=true_cfg,
            width=picture.width,
            height=picture.height,
            num_inference_steps=self.config.steps,
            generator=noise,
        )
