"""What bench.gpu measures, network by network: each is made once, its rows are measured, and it is let go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.gpu_calls import edit21_forwards, edit_forward, enhancer_forward, vace_forward
from bench.gpu_flops import Arithmetic
from bench.gpu_meter import Call, flops_of
from bench.gpu_networks import RandomDepth, RandomEnhancer, RandomVace, made, random_frames
from bench.gpu_shapes import Shapes, Size
from ditto_models.base import EditRequest, KeyFramedClip
from ditto_models.gpu.placement import PlacementConfig, device_of, dtype_of

if TYPE_CHECKING:
    import torch

REQUEST = EditRequest(
    text="make it night",
    prompt="a street at night",
    edit_type="time",
    scope="global",
    parameters={},
    strength=1.0,
    seed=0,
)
FULL_STEPS = 50
"""Of the model's own, without distillation; with guidance each is two forwards."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Calls of one network."""

    name: str
    how: str
    calls: Callable[[], Iterator[Call]]


class Cases:
    """Of shapes, for these placements: ways to run a transformer, by the words of the table."""

    def __init__(self, shapes: Shapes, placements: Mapping[str, PlacementConfig]) -> None:
        self._shapes = shapes
        self._placements = placements
        self._counted = Arithmetic(shapes)
        self._how, self._plain = next(iter(placements.items()))
        self._device, self._dtype = device_of(self._plain), dtype_of(self._plain)

    def all(self) -> Iterator[Case]:
        """The quick ones first."""
        for size in self._shapes.sizes:
            yield Case(name=f"wan vae {size}", how="fp32", calls=partial(self._vae, size))
        for name in self._shapes.depth:
            yield Case(name=f"depth {name}", how="fp32", calls=partial(self._depth, name))
        yield Case(name="qwen-image 2.1", how=self._how, calls=self._edit21)
        yield Case(name="qwen-image edit plus", how=self._how, calls=self._edit)
        for model in self._shapes.vace:
            for how, placement in self._placements.items():
                yield Case(name=f"wan-vace {model}", how=how, calls=partial(self._vace, placement, model, how))
        for how, placement in self._placements.items():
            yield Case(name="enhancer", how=how, calls=partial(self._enhancer, placement, how))

    def _vace(self, placement: PlacementConfig, model: str, how: str) -> Iterator[Call]:
        network = RandomVace(placement, self._shapes.vace[model], self._shapes.wan_vae)
        for size in self._shapes.sizes:
            _compile_anew()
            flops = self._counted.vace(model, size)
            yield Call(
                name=f"wan-vace {model} forward",
                size=str(size),
                how=how,
                run=partial(network.with_loaded, partial(self._forward, vace_forward, size)),
                flops=flops,
                multiples={f"wan-vace {model} {FULL_STEPS} steps with guidance, no vae": 2 * FULL_STEPS},
            )
            source = random_frames((*size.pixels(), 3))
            masks = network.measure_depth(source)
            clip = KeyFramedClip(source=source, masks=masks, key_index=0, key_edited=source[0])
            steps = network.config.sampling.num_steps
            yield Call(
                name=f"wan-vace {model} whole, {steps} steps",
                size=str(size),
                how=how,
                run=partial(network.generate, clip, REQUEST, "structure"),
                is_warm=True,
                flops=steps * flops + 2 * self._counted.encode(size) + self._counted.decode(size),
            )

    def _enhancer(self, placement: PlacementConfig, how: str) -> Iterator[Call]:
        network = RandomEnhancer(placement, self._shapes.enhancer, self._shapes.wan_vae)
        for size in self._shapes.sizes:
            _compile_anew()
            flops = self._counted.enhancer(size)
            yield Call(
                name="enhancer forward",
                size=str(size),
                how=how,
                run=partial(network.with_loaded, partial(self._forward, enhancer_forward, size)),
                flops=flops,
            )
            edited = random_frames((*size.pixels(), 3))
            steps = len(network.config.low)
            yield Call(
                name=f"enhancer whole, low, {steps} steps",
                size=str(size),
                how=how,
                run=partial(network.enhance, edited, edited, "low", 0),
                is_warm=True,
                flops=steps * flops + self._counted.encode(size) + self._counted.decode(size),
            )

    def _forward(self, forward: Callable[[Any, Size, torch.device], Any], size: Size, pipeline: Any) -> Any:
        return forward(pipeline.transformer, size, self._device)

    def _vae(self, size: Size) -> Iterator[Call]:
        import torch
        from diffusers import AutoencoderKLWan

        vae = made(AutoencoderKLWan, self._device, torch.float32, **self._shapes.wan_vae)
        pixels_BCTHW = torch.rand(1, 3, *size.pixels(), device=self._device)
        latents_BCTHW = torch.randn(1, 16, *size.latent(), device=self._device)
        encode, decode = self._counted.encode(size), self._counted.decode(size)
        for how, tile in (("fp32", vae.disable_tiling), ("fp32 in tiles", vae.enable_tiling)):
            tile()
            run = partial(vae.encode, pixels_BCTHW)
            yield Call(name="wan vae encode", size=str(size), how=how, run=run, flops=encode)
            run = partial(vae.decode, latents_BCTHW)
            yield Call(name="wan vae decode", size=str(size), how=how, run=run, flops=decode)

    def _depth(self, name: str) -> Iterator[Call]:
        placement = self._plain.model_copy(update={"dtype": "float32"})
        network = RandomDepth(placement, self._shapes.depth[name], self._shapes.depth_short_side)
        for size in self._shapes.sizes:
            yield Call(
                name=f"depth {name}, whole clip",
                size=str(size),
                how="fp32",
                run=partial(network.depth, random_frames((*size.pixels(), 3))),
                flops=self._counted.depth(name, size),
            )

    def _edit21(self) -> Iterator[Call]:
        from diffusers import QwenImage21Transformer2DModel

        transformer = made(QwenImage21Transformer2DModel, self._device, self._dtype, **self._shapes.edit21)
        first, later = edit21_forwards(transformer, self._shapes.edit_grid, self._device)
        # Its masks are read while it computes, so the meta device cannot count it.
        flops = flops_of(first), flops_of(later)
        steps = self._shapes.edit_steps
        named = partial(Call, size=self._picture(), how=self._how)
        yield named(name="qwen-image 2.1 first step", run=first, flops=flops[0])
        yield named(name="qwen-image 2.1 later step", run=later, flops=flops[1])
        yield named(
            name=f"qwen-image 2.1 all {steps} steps",
            run=partial(_in_turn, (first, *[later] * (steps - 1))),
            flops=flops[0] + (steps - 1) * flops[1],
        )

    def _edit(self) -> Iterator[Call]:
        from diffusers import QwenImageTransformer2DModel

        transformer = made(QwenImageTransformer2DModel, self._device, self._dtype, **self._shapes.edit)
        forward = partial(edit_forward, transformer, self._shapes.edit_grid, self._device)
        steps, flops = self._shapes.edit_steps, self._counted.edit()
        named = partial(Call, size=self._picture(), how=self._how)
        yield named(name="qwen-image edit plus forward", run=forward, flops=flops)
        yield named(
            name=f"qwen-image edit plus all {steps} steps with guidance",
            run=partial(_in_turn, [forward] * (2 * steps)),
            flops=2 * steps * flops,
        )

    def _picture(self) -> str:
        side = 16 * self._shapes.edit_grid
        return f"{side}x{side}"


def _in_turn(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _compile_anew() -> None:
    """For each size; otherwise the second is compiled for any size."""
    import torch

    torch.compiler.reset()
