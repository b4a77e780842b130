"""Cleans and steadies an edited video with the low-noise expert of Wan2.2-T2V-A14B alone, as Ditto does.

The video gets a little noise and the expert takes it off again (SDEdit, Meng et al. 2021, arXiv 2108.01073), with an
empty prompt: it knows what videos look like, not what is in this one. The expert for high noise is never read.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from ditto_models.base import Frames, Noise
from ditto_models.gpu.denoising import denoised, pictures
from ditto_models.gpu.geometry import LargestVideo, check_video
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.pipeline_network import PipelineConfig, PipelineNetwork
from ditto_models.gpu.placement import device_of, dtype_of
from ditto_models.gpu.sigmas import NUM_TRAIN_TIMESTEPS, exact_scheduler, of_timesteps, tail_sigmas
from ditto_models.gpu.single_file import SingleFileConfig, transformer_of
from ditto_models.gpu.wan_text import MOST_TOKENS, encoded
from ditto_models.gpu.weights import WeightsConfig, located, resolved
from ditto_models.gpu.whole_model import whole
from ditto_models.torchvision_cpu import declare_operators

EXPERT_BEGINS = 875
"""Timestep below which the low-noise expert was trained; above it it knows nothing."""
LOW = (375.0, 250.0, 125.0)
DITTO = tuple(round(sigma * NUM_TRAIN_TIMESTEPS, 1) for sigma in tail_sigmas(num_steps=40, shift=12, last=4)[:-1])
"""The last 4 of 40 steps with shift 12: 571.4, 493.2, 387.1, 235.3."""
EXPERT = "transformer_2"
PARTS = ("text_encoder", "tokenizer", EXPERT, "vae")


def _of_low_noise(weights: WeightsConfig) -> WeightsConfig:
    """Without 28 GB that are never read."""
    return weights if weights.parts else weights.model_copy(update={"parts": PARTS})


class Wan22EnhancerConfig(PipelineConfig):
    """Which weights, and how far the result may stray."""

    weights: Annotated[WeightsConfig, AfterValidator(_of_low_noise)] = WeightsConfig(
        repo="Wan-AI/Wan2.2-T2V-A14B-Diffusers", parts=PARTS
    )
    """In diffusers' layout; its folder `transformer`, the expert for high noise, is neither fetched nor read."""
    transformer_file: SingleFileConfig | None = None
    """In place of the folder `transformer_2`, of which only its config.json is read then: GGUF, or its authors'
    naming. Name `weights.parts` without it, and it is not fetched either."""
    loras: tuple[LoraConfig, ...] = ()
    """Fused into the expert, in order; it is the only `transformer` here."""
    low: tuple[float, ...] = Field(default=LOW, min_length=1)
    """Timesteps (1000 * noise level), falling, for noise "low"; the first says how much noise the video gets."""
    medium: tuple[float, ...] = Field(default=DITTO, min_length=1)
    """The same for noise "medium"; Ditto's levels, which are strong."""
    guidance_scale: float = Field(default=1.0, ge=1)
    """How much to keep away from the negative prompt; above 1 each step costs twice. Ditto has 3."""
    negative_prompt: str = ""
    """What to keep away from; without one, guidance has no effect."""
    largest: LargestVideo = LargestVideo()
    """Larger videos are refused."""

    @model_validator(mode="after")
    def _is_of_use(self) -> Self:
        for name, timesteps in (("low", self.low), ("medium", self.medium)):
            falling = all(later < earlier for earlier, later in pairwise(timesteps))
            if not falling or timesteps[0] >= EXPERT_BEGINS or timesteps[-1] <= 0:
                raise ValueError(f"{name} is {timesteps}; expected falling timesteps below {EXPERT_BEGINS} and above 0")
        if self.guidance_scale > 1 and not self.negative_prompt.strip():
            raise ValueError(
                f"guidance_scale is {self.guidance_scale} and negative_prompt is empty like the prompt, so guidance "
                "would double the cost and change nothing; expected a negative_prompt, or guidance_scale 1"
            )
        return self


class Wan22Enhancer(PipelineNetwork[Wan22EnhancerConfig]):
    """A VideoEnhancer; what is loaded is a WanVideoToVideoPipeline without a text encoder."""

    def __init__(self, config: Wan22EnhancerConfig) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)
        self._embeds: dict[str, Any] = {}

    def load(self) -> Any:
        """Read the weights; the text encoder only for as long as it takes to encode what never changes.

        Raises:
            WeightsError: they cannot be had.
        """
        declare_operators()
        from diffusers import FlowMatchEulerDiscreteScheduler

        config = self.config
        folder = located(config.weights)
        self._embeds = self._embeds or self._encoded(folder)
        pipeline = load_pipeline(
            "WanVideoToVideoPipeline",
            config.weights,
            config.placement,
            same_layout=("WanPipeline",),
            loras=config.loras,
            in_float32=("vae",),
            transformer=self._low_noise_expert(folder),
            text_encoder=None,
            tokenizer=None,
            scheduler=FlowMatchEulerDiscreteScheduler(),
        )
        self.name = resolved(config.weights)  # a branch's commit is known from here on
        return pipeline

    def enhance(self, source: Frames, edited: Frames, noise: Noise, seed: int) -> Frames:
        """The enhanced video, THWC uint8 RGB as `edited`, frame by frame; the same seed gives the same video.

        Raises:
            UnfitVideo: frames, height or width that the network cannot take.
            ValueError: `source` and `edited` are not of one shape.
        """
        if source.shape != edited.shape:
            raise ValueError(f"the edited video is {edited.shape}; expected {source.shape} as its source is, THWC")
        check_video(self.name, edited, self.config.largest)
        return self.with_loaded(lambda pipeline: self._enhanced(pipeline, edited, noise, seed))

    def _enhanced(self, pipeline: Any, edited: Frames, noise: Noise, seed: int) -> Frames:
        import torch

        timesteps = self.config.low if noise == "low" else self.config.medium
        pipeline.scheduler = exact_scheduler(of_timesteps(timesteps))
        made = denoised(
            pipeline,
            video=pictures(edited),
            height=edited.shape[1],
            width=edited.shape[2],
            num_inference_steps=len(timesteps),
            strength=1.0,
            guidance_scale=self.config.guidance_scale,
            max_sequence_length=MOST_TOKENS,
            generator=torch.Generator("cpu").manual_seed(seed),
            **{name: embeds.to(pipeline._execution_device) for name, embeds in self._embeds.items()},
        )
        if made.shape != edited.shape:
            raise RuntimeError(f"{self.name} made {made.shape}; expected {edited.shape} as it was given")
        return made

    def _low_noise_expert(self, folder: Path) -> Any:
        from diffusers import WanTransformer3DModel

        dtype = dtype_of(self.config.placement)
        if self.config.transformer_file is not None:
            return transformer_of(WanTransformer3DModel, self.config.transformer_file, folder, EXPERT, dtype)
        return WanTransformer3DModel.from_pretrained(folder, subfolder=EXPERT, dtype=dtype, use_safetensors=True)

    def _encoded(self, folder: Path) -> dict[str, Any]:
        """The empty prompt, and the negative one where it counts; the text encoder is gone again after it."""
        from transformers import AutoTokenizer, UMT5EncoderModel

        prompts = {"prompt_embeds": ""}
        if self.config.guidance_scale > 1:
            prompts["negative_prompt_embeds"] = self.config.negative_prompt
        device = device_of(self.config.placement)
        tokenizer = AutoTokenizer.from_pretrained(folder, subfolder="tokenizer")
        text_encoder = whole(UMT5EncoderModel, folder, "text_encoder", dtype=dtype_of(self.config.placement)).to(device)
        return {name: encoded(tokenizer, text_encoder, prompt, device) for name, prompt in prompts.items()}
