"""One call of a WanVACEPipeline: controls and words in, a video out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ditto_models.base import Frames
from ditto_models.gpu.denoising import OnStep, denoised, pictures
from ditto_models.gpu.vace_controls import Controls
from ditto_models.gpu.wan_text import MOST_TOKENS, WanPrompts


@dataclass(frozen=True, kw_only=True)
class VaceCall:
    """What it is asked for, beside its controls."""

    prompt: str
    negative_prompt: str
    """Read only where guidance_scale is above 1."""
    guidance_scale: float
    num_steps: int
    strength: float
    """Weight of the controls, 0..1."""
    seed: int
    on_step: OnStep | None = None


def made_by_vace(name: str, pipeline: Any, prompts: WanPrompts, controls: Controls, call: VaceCall) -> Frames:
    """The video, THWC uint8 RGB, of the controls' size; the same seed gives the same one.

    Raises:
        CallCancelled: nobody waits for it any more.
        ArithmeticError: the network's numbers overflowed.
    """
    import torch

    frames, height, width = controls.video.shape[:3]
    words = {"prompt_embeds": call.prompt}
    if call.guidance_scale > 1:
        words["negative_prompt_embeds"] = call.negative_prompt
    device = pipeline._execution_device
    made = denoised(
        pipeline,
        call.on_step,
        video=pictures(controls.video),
        mask=None if controls.anew is None else pictures(controls.anew.astype(np.uint8) * 255),
        reference_images=pictures(controls.references) or None,
        conditioning_scale=call.strength,
        height=height,
        width=width,
        num_frames=frames,
        num_inference_steps=call.num_steps,
        guidance_scale=call.guidance_scale,
        max_sequence_length=MOST_TOKENS,
        generator=torch.Generator("cpu").manual_seed(call.seed),
        **{
            key: prompts.embeds(pipeline.tokenizer, pipeline.text_encoder, text, device).to(device)
            for key, text in words.items()
        },
    )
    if made.shape != controls.video.shape:
        raise RuntimeError(f"{name} made {made.shape}; expected {controls.video.shape} as the source is")
    return made
