"""Makes the edited video with Editto: a Wan-VACE that was trained to edit a source video by an instruction alone.

The source is its control video, all of it made anew, and there is no depth (Ditto, Bai et al. 2025, arXiv 2510.15742).
What was trained of the base is put into it as it is loaded; `ditto_models.train` writes both down in a folder's card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Route
from ditto_models.gpu.denoising import OnStep
from ditto_models.gpu.editto_card import WEIGHTS, read_card
from ditto_models.gpu.editto_weights import with_editto
from ditto_models.gpu.geometry import LargestVideo, check_video
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.pipeline_network import PipelineConfig, PipelineNetwork
from ditto_models.gpu.sigmas import FewSteps, FullSteps, exact_scheduler, few_step_sigmas
from ditto_models.gpu.single_file import SingleFileConfig
from ditto_models.gpu.vace_call import VaceCall, made_by_vace
from ditto_models.gpu.vace_controls import Controls
from ditto_models.gpu.wan_text import WanPrompts
from ditto_models.gpu.weights import WeightsConfig, WeightsError, located, resolved


class EdittoConfig(PipelineConfig):
    """Which weights, and how they are run."""

    model: str = ""
    """Folder that ditto_models.train wrote (its --out): the card in it names the base, and what was trained of it."""
    weights: WeightsConfig
    """The base, a Wan-VACE in diffusers' layout; where it is not given, that of the model's card."""
    trained: SingleFileConfig
    """What was trained: whole weights or a LoRA, by any of the names they are published with; where it is not given,
    the model's own."""
    loras: tuple[LoraConfig, ...] = ()
    """Fused on top of it, in order: what makes few steps enough, for example."""
    sampling: Annotated[FewSteps | FullSteps, Field(discriminator="kind")] = FullSteps()
    """The base's own many steps, or few with a LoRA that was distilled for them."""
    guidance_scale: float = Field(default=5.0, ge=1, allow_inf_nan=False)
    """How much to stress the instruction; above 1 each step costs twice. Distilled weights want 1, others about 5."""
    negative_prompt: str = ""
    """What to keep away from; read only where guidance_scale is above 1."""
    key_frame: Literal["given", "never"] = "given"
    """Whether `generate` shows it the edited key frame, as the critic who compares with it expects of a run's
    generator. With never it has the instruction alone, as `edit` has."""
    largest: LargestVideo = LargestVideo()
    """Larger videos are refused."""

    @classmethod
    def of(cls, model: Path | str, **settings: object) -> Self:
        """Of a folder that ditto_models.train wrote, with other settings than the defaults.

        Raises:
            ValidationError: the folder has no card, or a setting is unknown or out of bounds.
        """
        return cls.model_validate({"model": str(model), **settings})

    @model_validator(mode="before")
    @classmethod
    def _by_the_card(cls, values: Any) -> Any:
        if not isinstance(values, dict) or {"weights", "trained"} <= values.keys():
            return values
        model = values.get("model")
        if not model or not isinstance(model, str):
            raise ValueError(
                "neither model nor both weights and trained are given; expected model, the folder that "
                "ditto_models.train wrote, or weights, the base, and trained, the file of what was trained"
            )
        try:
            card = read_card(Path(model).expanduser())
        except WeightsError as error:
            raise ValueError(str(error)) from error
        return {"weights": card.base, "trained": {"repo": model, "file": WEIGHTS}} | values

    @model_validator(mode="after")
    def _one_format(self) -> Self:
        if not self.trained.file.endswith(".safetensors"):
            raise ValueError(f"trained.file is {self.trained.file!r}; expected a .safetensors file")
        return self


class Editto(PipelineNetwork[EdittoConfig]):
    """A VideoGenerator, and an editor by instruction; what is loaded is a WanVACEPipeline."""

    def __init__(self, config: EdittoConfig) -> None:
        super().__init__(config)
        self.name = self._named()
        self._prompts = WanPrompts()

    def load(self) -> Any:
        """Read the base, and put what was trained into it.

        Raises:
            WeightsError: weights cannot be had, are another model's, or do not suit the base.
        """
        config = self.config
        pipeline = load_pipeline(
            "WanVACEPipeline",
            config.weights,
            config.placement,
            loras=config.loras,
            in_float32=("vae",),
            trained=self._put_in,
        )
        self.name = self._named()  # a branch's commit is known from here on
        if isinstance(config.sampling, FewSteps):
            pipeline.scheduler = exact_scheduler(few_step_sigmas(config.sampling.num_steps, config.sampling.shift))
        return pipeline

    def edit(
        self,
        source: Frames,
        instruction: str,
        seed: int,
        *,
        key_frame: Frame | None = None,
        strength: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Frames:
        """The edited video, THWC uint8 RGB of the source's shape; the same seed gives the same one.

        Args:
            source: THWC uint8 RGB, 4k+1 frames, sides in multiples of 16
            instruction: what to change
            seed: of the noise that it starts from
            key_frame: one frame of the result, HWC, where there is one already; the instruction is enough
            strength: 0..1, the weight of the source, and of the key frame
            on_step: told how many steps are made

        Raises:
            UnfitVideo: frames, height or width that the network cannot take.
            ValueError: the key frame is not of the source's size.
        """
        check_video(self.name, source, self.config.largest)
        if key_frame is not None and key_frame.shape != source.shape[1:]:
            raise ValueError(f"key_frame is {key_frame.shape}; expected the source's frame size, {source.shape[1:]}")
        references = () if key_frame is None else (key_frame,)
        controls = Controls(video=source, anew=None, references=references)
        call = VaceCall(
            prompt=instruction,
            negative_prompt=self.config.negative_prompt,
            guidance_scale=self.config.guidance_scale,
            num_steps=self.config.sampling.num_steps,
            strength=strength,
            seed=seed,
            on_step=on_step,
        )
        return self.with_loaded(lambda pipeline: made_by_vace(self.name, pipeline, self._prompts, controls, call))

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, THWC uint8 RGB, as the instruction `request.text` says; the same seed gives the same one.

        Both routes are one: it finds by itself what to change. `request.strength` is that of `edit`.

        Raises:
            UnfitVideo: frames, height or width that the network cannot take.
        """
        key_frame = clip.key_edited if self.config.key_frame == "given" else None
        return self.edit(clip.source, request.text, request.seed, key_frame=key_frame, strength=request.strength)

    def _named(self) -> str:
        return f"{resolved(self.config.trained)} on {resolved(self.config.weights)}"

    def _put_in(self, pipeline: Any) -> None:
        if pipeline.transformer_2 is not None:
            raise WeightsError(
                f"{resolved(self.config.weights)!r} has two experts, and an Editto is trained of one; take its own base"
            )
        with_editto(pipeline.transformer, located(self.config.trained))
