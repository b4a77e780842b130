"""Networks of the real shapes with random weights, made on the device: nothing is downloaded or read from a disk.

They are the project's own classes but for `load`. Prompts are random embeddings; depth is random, it has rows of its
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.gpu_shapes import PROMPT_TOKENS
from ditto_models.base import Frames, Masks
from ditto_models.gpu.batched import Pretrained
from ditto_models.gpu.depth_anything import DepthAnything, DepthAnythingConfig
from ditto_models.gpu.placement import PlacementConfig, device_of, dtype_of, placed
from ditto_models.gpu.sigmas import FewSteps, exact_scheduler, few_step_sigmas
from ditto_models.gpu.wan22_enhancer import Wan22Enhancer, Wan22EnhancerConfig
from ditto_models.gpu.wan_text import WanPrompts
from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig
from ditto_models.gpu.weights import WeightsConfig

if TYPE_CHECKING:
    import torch

RANDOM = WeightsConfig(repo="random/weights")
"""Stands where a config wants weights; never read."""
DEVIATION = 0.02
"""Of the random weights: nothing overflows."""


def made(kind: Any, device: torch.device, dtype: torch.dtype, *arguments: Any, **config: Any) -> Any:
    """A network with random weights on a device, laid out as `from_pretrained` would: some stay in float32."""
    import torch
    from accelerate import init_empty_weights
    from accelerate.utils import set_module_tensor_to_device

    with init_empty_weights(include_buffers=False):
        network = kind(*arguments, **config)
    kept = set(getattr(network, "_keep_in_fp32_modules", None) or ())
    for name, parameter in list(network.named_parameters()):
        wanted = torch.float32 if kept.intersection(name.split(".")) else dtype
        value = torch.randn(parameter.shape, device=device, dtype=wanted) * DEVIATION
        set_module_tensor_to_device(network, name, device, value=value, dtype=wanted)
    return network.requires_grad_(False).to(device).eval()


def random_frames(shape: tuple[int, ...], seed: int = 0) -> Frames:
    """Noise, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


class RandomPrompts(WanPrompts):
    """Embeddings of so many dimensions, whatever the prompt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width

    def embeds(self, tokenizer: Any, text_encoder: Any, prompt: str, device: Any) -> torch.Tensor:
        """BLD."""
        import torch

        return torch.randn(1, PROMPT_TOKENS, self._width, device=device)


class RandomVace(WanVace):
    """The generator."""

    def __init__(self, placement: PlacementConfig, transformer: dict[str, Any], vae: dict[str, Any]) -> None:
        super().__init__(WanVaceConfig(weights=RANDOM, placement=placement))
        self._shapes = transformer, vae
        self._prompts = RandomPrompts(transformer["text_dim"])

    def load(self) -> Any:
        """Make the weights, and put them in place."""
        import torch
        from diffusers import AutoencoderKLWan, WanVACEPipeline, WanVACETransformer3DModel

        device, dtype = device_of(self.config.placement), dtype_of(self.config.placement)
        transformer, vae = self._shapes
        sampling = self.config.sampling
        assert isinstance(sampling, FewSteps)
        pipeline = WanVACEPipeline(
            tokenizer=None,
            text_encoder=None,
            vae=made(AutoencoderKLWan, device, torch.float32, **vae),
            scheduler=exact_scheduler(few_step_sigmas(sampling.num_steps, sampling.shift)),
            transformer=made(WanVACETransformer3DModel, device, dtype, **transformer),
        )
        pipeline.set_progress_bar_config(disable=True)
        return placed(pipeline, self.config.placement)

    def measure_depth(self, source: Frames) -> Masks:
        """A ramp."""
        return np.broadcast_to(np.linspace(0, 1, source.shape[2], dtype=np.float32), source.shape[:3])


class RandomEnhancer(Wan22Enhancer):
    """The enhancer."""

    def __init__(self, placement: PlacementConfig, transformer: dict[str, Any], vae: dict[str, Any]) -> None:
        super().__init__(Wan22EnhancerConfig(weights=RANDOM, placement=placement))
        self._shapes = transformer, vae

    def load(self) -> Any:
        """Make the weights, and put them in place."""
        import torch
        from diffusers import (
            AutoencoderKLWan,
            FlowMatchEulerDiscreteScheduler,
            WanTransformer3DModel,
            WanVideoToVideoPipeline,
        )

        device, dtype = device_of(self.config.placement), dtype_of(self.config.placement)
        transformer, vae = self._shapes
        pipeline = WanVideoToVideoPipeline(
            tokenizer=None,
            text_encoder=None,
            vae=made(AutoencoderKLWan, device, torch.float32, **vae),
            scheduler=FlowMatchEulerDiscreteScheduler(),
            transformer=made(WanTransformer3DModel, device, dtype, **transformer),
        )
        pipeline.set_progress_bar_config(disable=True)
        self._embeds = {"prompt_embeds": embeds_of(pipeline)}
        return placed(pipeline, self.config.placement)


class RandomDepth(DepthAnything):
    """What measures depth."""

    def __init__(self, placement: PlacementConfig, shape: dict[str, Any], short_side: int) -> None:
        super().__init__(DepthAnythingConfig(weights=RANDOM, placement=placement, short_side=short_side))
        self._shape = shape

    def load(self) -> Pretrained:
        """Make the weights."""
        import transformers

        processor = transformers.DPTImageProcessor(
            size={"height": 518, "width": 518}, keep_aspect_ratio=True, ensure_multiple_of=14, do_pad=False
        )
        model = made(
            transformers.DepthAnythingForDepthEstimation,
            device_of(self.config.placement),
            dtype_of(self.config.placement),
            transformers.DepthAnythingConfig(**self._shape),
        )
        return Pretrained(processor=processor, model=model)


def embeds_of(pipeline: Any) -> torch.Tensor:
    """Random embeddings of a prompt, BLD, on the device and in the type of a pipeline's transformer."""
    import torch

    width = pipeline.transformer.config.text_dim
    return torch.randn(1, PROMPT_TOKENS, width, device=pipeline._execution_device, dtype=pipeline.transformer.dtype)
