"""Makes the edited video with LTX-2, which reads the source video in context: LTX2InContextPipeline of diffusers.

The source stands beside the video to be made as further tokens of the transformer (HaCohen et al., LTX-2, arXiv
2601.03233), and the edited key frame at its own moment. What to do with a video beside it LTX-2 learns by an in-context
LoRA; without one it was never taught to. Sound is made along with the video and left aside.

Mind its licence, the LTX-2 Community License: a model that is trained on what LTX-2 made counts as a derivative under
that licence, commercial training of other models is forbidden, and companies of 10 million dollars a year must pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ditto_models.base import EditRequest, Frames, KeyFramedClip, Route
from ditto_models.executors.of_call import note
from ditto_models.gpu.denoising import denoised, pictures
from ditto_models.gpu.geometry import Grid, LargestVideo, check_video
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.pipeline_network import PipelineConfig, PipelineNetwork
from ditto_models.gpu.vace_controls import GREY, Region, composed, region_to_edit
from ditto_models.gpu.weights import WeightsConfig, resolved

if TYPE_CHECKING:
    import torch

PIPELINE = "LTX2InContextPipeline"
SAME_LAYOUT = ("LTX2Pipeline", "LTX2ImageToVideoPipeline", "LTX2ConditionPipeline")
LTX = Grid(frames_step=8, side_step=32)
"""32 pixels and 8 frames to one of the VAE's, which is a patch."""


class LTX2InContextConfig(PipelineConfig):
    """Which weights, and how they are run."""

    weights: WeightsConfig = WeightsConfig(repo="Lightricks/LTX-2")
    """In diffusers' layout, of any LTX-2 pipeline."""
    loras: tuple[LoraConfig, ...] = ()
    """Fused into the transformer, in order: first of all an in-context LoRA that edits a video as words say."""
    num_steps: int = Field(default=30, ge=2)
    """Of the schedule that comes with the weights; left aside where they are distilled."""
    distilled: bool = False
    """Take the eight noise levels that LTX-2's distilled weights and LoRA know; they want a guidance of 1."""
    guidance: float = Field(default=3.0, ge=1)
    """How much to stress the prompt. At 1, none of LTX-2's kinds of guidance is on: a quarter of the time."""
    negative_prompt: str = ""
    """What to keep away from; read only where guidance is above 1."""
    frame_rate: float = Field(default=20.0, gt=0)
    """Frames a second of the clips, which the network reads their motion by; Ditto's have 20."""
    key_frame_crf: int | None = Field(default=None, ge=0, le=51)
    """How hard the key frame is compressed (H.264) before it is shown; None as the weights were trained, 0 not."""
    feather_pixels: int = Field(default=4, ge=0)
    """Along the outside of a mask, how wide the new and the source are mixed."""
    largest: LargestVideo = LargestVideo()
    """Larger videos are refused."""


class LTX2InContext(PipelineNetwork[LTX2InContextConfig]):
    """A VideoGenerator; what is loaded is an LTX2InContextPipeline."""

    grid = LTX

    def __init__(self, config: LTX2InContextConfig) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)

    def load(self) -> Any:
        """Read the weights.

        Raises:
            WeightsError: they cannot be had, or are another model's.
        """
        config = self.config
        pipeline = load_pipeline(
            PIPELINE, config.weights, config.placement, SAME_LAYOUT, loras=config.loras, in_float32=("vae",)
        )
        self.name = resolved(config.weights)  # a branch's commit is known from here on
        if not config.loras:
            note(f"{self.name} runs without an in-context LoRA, and was never taught to edit the video beside it")
        if config.distilled:
            exact = {"use_dynamic_shifting": False, "shift": 1.0, "shift_terminal": None}
            pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, **exact)
        return pipeline

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, THWC uint8 RGB, as `request.prompt` describes it; the same seed gives the same video.

        On the route "structure" all of the source is seen. On the route "mask" what lies in the masks is grey and not
        looked at, and outside of them the source stays exactly. `request.strength`, 0..1, is the weight of the key
        frame: at 1 the video passes through it.

        Raises:
            UnfitVideo: frames, height or width that the network cannot take.
            UnsupportedEdit: the route is "mask" and there is nothing in the masks.
        """
        check_video(self.name, clip.source, self.config.largest, LTX)
        if route == "structure":
            return self.with_loaded(lambda pipeline: self._made(pipeline, clip, None, request))
        region = region_to_edit(self.name, clip.masks)
        made = self.with_loaded(lambda pipeline: self._made(pipeline, clip, region, request))
        return composed(clip.source, made, region, self.config.feather_pixels)

    def _made(self, pipeline: Any, clip: KeyFramedClip, hidden: Region | None, request: EditRequest) -> Frames:
        import torch
        from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
        from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

        if not request.prompt:
            note(f"{self.name} was given no description of the edited video; it reads the instruction in its place")
        source = clip.source
        frames, height, width = source.shape[:3]
        shown = source if hidden is None else np.where(hidden[..., None], np.uint8(GREY), source)
        key = LTX2VideoCondition(
            frames=pictures([clip.key_edited]),
            index=latent_index(clip.key_index),
            strength=request.strength,
            crf=self.config.key_frame_crf,
        )
        made = denoised(
            pipeline,
            prompt=request.prompt or request.text,
            negative_prompt=self.config.negative_prompt,
            conditions=[key],
            reference_conditions=[LTX2ReferenceCondition(frames=pictures(shown))],
            conditioning_attention_mask=None if hidden is None else _seen(hidden),
            height=height,
            width=width,
            num_frames=frames,
            frame_rate=self.config.frame_rate,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            **self._steps(),
            **self._guidance(),
        )
        if made.shape != source.shape:
            raise RuntimeError(f"{self.name} made {made.shape}; expected {source.shape} as the source is")
        return made

    def _steps(self) -> dict[str, Any]:
        if not self.config.distilled:
            return {"num_inference_steps": self.config.num_steps}
        from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES

        return {"sigmas": DISTILLED_SIGMA_VALUES}

    def _guidance(self) -> dict[str, float]:
        if self.config.guidance > 1:
            return {"guidance_scale": self.config.guidance}
        none = {"guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0}
        return none | {f"audio_{name}": value for name, value in none.items()}


def latent_index(frame: int) -> float:
    """Where diffusers wants a key frame: in latents, of which the first is one frame and each other eight.

    It turns this back into a frame's moment, so a part of a latent puts the key frame exactly where it belongs; whole
    latents, as diffusers has them in mind, would miss the middle frame of a clip by up to four frames.
    """
    return 0 if frame == 0 else (frame - 1) / LTX.frames_step + 1


def _seen(hidden: Region) -> torch.Tensor:
    """What the network may see of the source, 1 or 0, as a tensor BCTHW of one video and one channel."""
    import torch

    return torch.from_numpy(~hidden).to(torch.float32)[None, None]
