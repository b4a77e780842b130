"""How pipelines of diffusers are run: ended between steps when nobody waits, and pixels in and out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ditto_models.base import Frame, Frames
from ditto_models.executors.of_call import stop_if_cancelled

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


OnStep = Callable[[int], None]
"""Is told after each step how many were made."""


def denoised(pipeline: Any, on_step: OnStep | None = None, /, **arguments: Any) -> Frames:
    """The video that a pipeline makes of these arguments, THWC uint8 RGB.

    Raises:
        CallCancelled: nobody waits for it any more; seen after each step.
        ArithmeticError: the network's numbers overflowed.
    """
    return _levels(_run(pipeline, on_step, output_type="pt", **arguments).frames[0])


def drawn(pipeline: Any, **arguments: Any) -> NDArray[np.uint8]:
    """The picture that an image pipeline makes of these arguments, HWC uint8, of as many channels as it has.

    Raises:
        CallCancelled: nobody waits for it any more; seen after each step.
        ArithmeticError: the network's numbers overflowed.
    """
    made = _run(pipeline, None, output_type="pt", **arguments)
    return np.asarray(_levels(made.images[:1])[0])


def pictures(frames: Frames | Sequence[Frame]) -> list[Image]:
    """Frames, HWC or HW uint8, as the pipelines take them."""
    from PIL import Image

    return [Image.fromarray(frame) for frame in frames]


def _run(pipeline: Any, on_step: OnStep | None, **arguments: Any) -> Any:
    def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        stop_if_cancelled()
        if on_step is not None:
            on_step(step + 1)
        return {}

    try:
        return pipeline(callback_on_step_end=after_step, **arguments)
    except BaseException:
        # A call that ends midway leaves what it offloads on the device.
        pipeline.maybe_free_model_hooks()
        raise


def _levels(video_TCHW: torch.Tensor) -> NDArray[np.uint8]:
    """Values 0..1 in whole levels, THWC; turned on the device, where it is quick and a quarter of it travels."""
    import torch

    if not torch.isfinite(video_TCHW).all():
        raise ArithmeticError(
            "the network made pixels that are not numbers; expected 0..1: try placement.dtype bfloat16, or more steps"
        )
    # In float32: 255 times a bfloat16 is rounded to 8 bits before it is rounded to a level, and misses some by one.
    levels_THWC = video_TCHW.float().mul(255).round_().to(torch.uint8).permute(0, 2, 3, 1)
    return np.ascontiguousarray(levels_THWC.cpu().numpy())
