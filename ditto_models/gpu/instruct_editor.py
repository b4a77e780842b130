"""What key-frame editors that read an instruction share: the frame's geometry, its seed, and what a mask may keep.

Strength: instruction editors have no such input. Where guidance is free to choose, strength sets it (`guidance_at`);
a distilled model carries its guidance inside, goes as far as its words say, and leaves strength aside.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from PIL import Image

from ditto_models.base import EditRequest, Frame, Mask
from ditto_models.executors.of_call import note
from ditto_models.gpu.canvas import Canvas
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.mask_shape import dilated, firmed
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.pipeline_network import PipelineConfig, PipelineNetwork
from ditto_models.gpu.vace_controls import composed, region_of
from ditto_models.gpu.weights import WeightsConfig, resolved

if TYPE_CHECKING:
    import torch

LEAST_SIDE = 64
"""Pixels; smaller frames show nothing that could be edited, and some pipelines refuse them."""
GREATEST_RATIO = 4.0
"""Of the longer side to the shorter one; no video is beyond it, and pipelines refuse some that are."""
MARGIN = 0.03
"""Of the height: outside of a mask the edit is whole for as far as this, and gone at twice as far."""


class InstructEditorConfig(PipelineConfig):
    """What every such editor needs."""

    weights: WeightsConfig
    """Of the whole pipeline."""
    loras: tuple[LoraConfig, ...] = ()
    """Fused into the transformer, in order; for example one of few-step editing, with the steps that it wants."""
    keep_outside_mask: bool = False
    """Paste the source back outside the (grown, softened) mask of a local edit. Off, since the mask shows what is in
    the source: what an edit adds, and shadows and reflections of what it changes, lie outside of it."""


C = TypeVar("C", bound=InstructEditorConfig)


class InstructEditor(PipelineNetwork[C]):
    """KeyFrameEditor by a diffusers pipeline; a subclass names the pipeline and says how it is called."""

    pipeline: ClassVar[str]
    """Name of its class in diffusers."""

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)

    def load(self) -> Any:
        """The pipeline.

        Raises:
            WeightsError: the weights are not there, or are another model's.
        """
        config = self.config
        pipeline = load_pipeline(self.pipeline, config.weights, config.placement, loras=config.loras)
        self.name = resolved(config.weights)  # a branch's commit is known from here on
        return pipeline

    @abstractmethod
    def canvas(self, frame_width: int, frame_height: int) -> Canvas:
        """The picture that the pipeline is given for a frame, in a size that it leaves as it is."""
        ...

    @abstractmethod
    def redraw(self, pipeline: Any, picture: Image.Image, request: EditRequest, noise: torch.Generator) -> Frame:
        """The edited picture, HWC uint8 RGB, in the size of `picture`."""
        ...

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        """The edited frame, HWC uint8 as `frame`, for a mask HW float32 in 0..1; the instruction is `request.text`.

        Raises:
            ValueError: the frame, the mask or the request is not what it should be.
            OutOfMemory: the GPU's memory does not hold it.
        """
        _check(frame, mask, request)

        def drawn(pipeline: Any) -> Frame:
            import torch

            canvas = self.canvas(frame.shape[1], frame.shape[0])
            # On the CPU: the same seed gives the same noise on every device. Made anew at each try.
            noise = torch.Generator("cpu").manual_seed(request.seed)
            return canvas.take(self.redraw(pipeline, canvas.put(frame), request, noise))

        edited = self.with_loaded(drawn)
        if self.config.keep_outside_mask and request.scope == "local":
            return kept_outside(mask, frame, edited)
        return edited


def kept_outside(mask: Mask, source: Frame, edited: Frame) -> Frame:
    """`edited` where a mask HW is, with a soft border around it, and `source` elsewhere; all HWC uint8.

    With an empty mask nothing says where the edit is: it is kept whole, and a note says so.
    """
    if not region_of(mask).any():
        note("the mask is empty: nothing of the source was kept outside of it")
        return edited
    grown = region_of(dilated(firmed(mask[None]), MARGIN))
    mixed: Frame = composed(source[None], edited[None], grown, round(MARGIN * len(mask)))[0]
    return mixed


def guidance_at(strength: float, full: float) -> float:
    """Classifier-free guidance for a strength 0..1: none (1) at strength 0, `full` at 1."""
    return 1 + (full - 1) * strength


def _check(frame: Frame, mask: Mask, request: EditRequest) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"a frame of {frame.dtype} {frame.shape}; expected uint8 of height, width, 3")
    height, width = frame.shape[:2]
    if min(height, width) < LEAST_SIDE or max(height, width) > GREATEST_RATIO * min(height, width):
        raise ValueError(
            f"a frame of {width}x{height} cannot be edited; "
            f"expected sides of {LEAST_SIDE} or more, and at most {GREATEST_RATIO:g} to 1"
        )
    if mask.shape != (height, width):
        raise ValueError(f"a mask of {mask.shape}; expected {(height, width)} as the frame")
    if not request.text.strip():
        raise ValueError("the request has no text; an instruction is what this editor edits by")
    if not 0 <= request.strength <= 1:
        raise ValueError(f"strength {request.strength}: expected 0 to 1")
