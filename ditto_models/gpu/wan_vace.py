"""Makes the edited video with Wan-VACE (1.3B, 14B, or Wan2.2-VACE-Fun with two experts) through diffusers.

Two routes. "structure" lays the new video out as the source's depth is, for edits of the whole picture (Ditto, Bai et
al. 2025, arXiv 2510.15742). "mask" makes only the masked region anew, for edits that change what is there, which the
source's depth would fight; outside the mask the source stays exactly.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ditto_models.base import EditRequest, Frames, KeyFramedClip, Masks, Route
from ditto_models.executors.of_call import note
from ditto_models.gpu.depth_anything import DepthAnything, DepthAnythingConfig
from ditto_models.gpu.geometry import LargestVideo, check_video
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.network import warmed
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.pipeline_network import PipelineConfig, PipelineNetwork
from ditto_models.gpu.placement import dtype_of
from ditto_models.gpu.recent import Recent
from ditto_models.gpu.sigmas import FewSteps, FullSteps, exact_scheduler, few_step_sigmas, idle_expert
from ditto_models.gpu.single_file import SingleFileConfig, transformer_of
from ditto_models.gpu.vace_call import VaceCall, made_by_vace
from ditto_models.gpu.vace_controls import (
    Controls,
    KeyFrameEnters,
    composed,
    mask_controls,
    region_to_edit,
    structure_controls,
)
from ditto_models.gpu.wan_text import WanPrompts
from ditto_models.gpu.weights import WeightsConfig, WeightsError, located, resolved
from ditto_models.torchvision_cpu import declare_operators

CLIPS_WITH_DEPTH = 4
"""Clips whose depth is kept, 93 MB each at 1280x720x101: a retry, or another edit of the clip, finds it."""


class WanVaceConfig(PipelineConfig):
    """Which weights, and how they are run."""

    weights: WeightsConfig = WeightsConfig(repo="Wan-AI/Wan2.1-VACE-14B-diffusers")
    """In diffusers' layout: text_encoder, tokenizer, vae, scheduler, transformer, and transformer_2 where there are
    two experts."""
    transformer_file: SingleFileConfig | None = None
    """In place of the folder `transformer`, of which only its config.json is read then: GGUF, or its authors' naming.
    Name `weights.parts` without it, and it is not fetched either."""
    transformer_2_file: SingleFileConfig | None = None
    """The same for the expert for low noise, where there are two."""
    loras: tuple[LoraConfig, ...] = ()
    """Fused into the transformers, in order: what makes few steps enough, for example."""
    depth: DepthAnythingConfig = DepthAnythingConfig()
    """What measures the source's depth for the route "structure"."""
    sampling: Annotated[FewSteps | FullSteps, Field(discriminator="kind")] = FewSteps()
    """Few steps, for distilled weights, or the model's own many."""
    guidance_scale: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    """How much to stress the prompt; above 1 each step costs twice. Distilled weights want 1, others about 5."""
    negative_prompt: str = ""
    """What to keep away from; read only where guidance_scale is above 1."""
    boundary_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Noise level at which the second of two experts takes over; None takes what the weights say."""
    key_frame_enters: KeyFrameEnters = "reference"
    """How the route "mask" is shown the edited key frame: beside the video, in its place in the video, or both. In
    its place its pixels always count; that they are to be kept VACE may not see, since it reads one mask in four."""
    feather_pixels: int = Field(default=4, ge=0)
    """Along the outside of a mask, how wide the new and the source are mixed."""
    largest: LargestVideo = LargestVideo()
    """Larger videos are refused."""


class WanVace(PipelineNetwork[WanVaceConfig]):
    """A VideoGenerator; what is loaded is a WanVACEPipeline."""

    def __init__(self, config: WanVaceConfig) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)
        self._prompts = WanPrompts()
        self._nearness: Recent[str, NDArray[np.uint8]] = Recent(CLIPS_WITH_DEPTH)

    def load(self) -> Any:
        """Read the weights, and check that the steps suit them.

        Raises:
            WeightsError: they cannot be had, are another model's, or of two experts one would never run.
        """
        declare_operators()
        config = self.config
        pipeline = load_pipeline(
            "WanVACEPipeline",
            config.weights,
            config.placement,
            loras=config.loras,
            in_float32=("vae",),
            **self._transformers_of_files(),
        )
        self.name = resolved(config.weights)  # a branch's commit is known from here on
        if config.boundary_ratio is not None:
            pipeline.register_to_config(boundary_ratio=config.boundary_ratio)
        if isinstance(config.sampling, FewSteps):
            pipeline.scheduler = exact_scheduler(few_step_sigmas(config.sampling.num_steps, config.sampling.shift))
        self._check_experts(pipeline)
        return pipeline

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, THWC uint8 RGB, as `request.prompt` describes it; the same seed gives the same video.

        `request.strength`, 0..1, is the weight of what it is conditioned on: the depth or the masked source, and the
        key frame where it is a reference.

        Raises:
            UnfitVideo: frames, height or width that the network cannot take.
            UnsupportedEdit: the route is "mask" and there is nothing in the masks.
        """
        check_video(self.name, clip.source, self.config.largest)
        if route == "structure":
            controls = structure_controls(self._nearness_of(clip.source), clip.key_edited)
            return self.with_loaded(lambda pipeline: self._made(pipeline, controls, request))
        region = region_to_edit(self.name, clip.masks)
        controls = mask_controls(clip.source, region, clip.key_index, clip.key_edited, self.config.key_frame_enters)
        made = self.with_loaded(lambda pipeline: self._made(pipeline, controls, request))
        return composed(clip.source, made, region, self.config.feather_pixels)

    def measure_depth(self, source: Frames) -> Masks:
        """Nearness 0..1, THW, by this process's depth network."""
        estimator = warmed(DepthAnything, self.config.depth)
        assert isinstance(estimator, DepthAnything)
        return estimator.depth(source)

    def _nearness_of(self, source: Frames) -> NDArray[np.uint8]:
        """In whole levels, THW; measured once for a clip."""

        def measured() -> NDArray[np.uint8]:
            return np.rint(self.measure_depth(source) * 255).astype(np.uint8)

        content = hashlib.sha256(np.ascontiguousarray(source).data).hexdigest()
        return self._nearness.get(f"{source.shape} {content}", measured)

    def _made(self, pipeline: Any, controls: Controls, request: EditRequest) -> Frames:
        if not request.prompt:
            note(f"{self.name} was given no description of the edited video; it reads the instruction in its place")
        call = VaceCall(
            prompt=request.prompt or request.text,
            negative_prompt=self.config.negative_prompt,
            guidance_scale=self.config.guidance_scale,
            num_steps=self.config.sampling.num_steps,
            strength=request.strength,
            seed=request.seed,
        )
        return made_by_vace(self.name, pipeline, self._prompts, controls, call)

    def _transformers_of_files(self) -> dict[str, Any]:
        """Those that are read from single files, by their place in the pipeline."""
        from diffusers import WanVACETransformer3DModel

        files = {"transformer": self.config.transformer_file, "transformer_2": self.config.transformer_2_file}
        dtype = dtype_of(self.config.placement)
        return {
            name: transformer_of(WanVACETransformer3DModel, file, located(self.config.weights), name, dtype)
            for name, file in files.items()
            if file is not None
        }

    def _check_experts(self, pipeline: Any) -> None:
        """Of two experts both must have a step: diffusers leaves one out without a word."""
        if pipeline.transformer_2 is None:
            return
        boundary = pipeline.config.boundary_ratio
        if boundary is None:
            raise WeightsError(
                f"{self.name!r} has two experts and does not say where the second begins: set boundary_ratio"
            )
        pipeline.scheduler.set_timesteps(self.config.sampling.num_steps)
        sigmas = [float(sigma) for sigma in pipeline.scheduler.sigmas]
        if idle := idle_expert(sigmas, boundary):
            levels = ", ".join(f"{sigma:.3f}" for sigma in sigmas)
            raise WeightsError(
                f"the {idle} expert of {self.name!r} would never run: it begins at {boundary}, "
                f"the steps are at {levels}; change sampling"
            )
