"""Counts arithmetic and weights of the real shapes on torch's meta device, which computes nothing and needs no GPU.

python -m bench.gpu_flops [--teraflops 790]: both, and how long the arithmetic alone takes at that rate.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.gpu_calls import edit_forward, enhancer_forward, vace_forward
from bench.gpu_meter import flops_of
from bench.gpu_shapes import REAL, Shapes, Size

STEPS = 4


class Arithmetic:
    """Floating-point operations of calls, each counted once."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._kept: dict[str, float] = {}

    def vace(self, model: str, size: Size) -> float:
        """Of one forward with one reference image."""
        return self._of(f"vace {model} {size}", lambda: partial(vace_forward, self.transformer(model), size))

    def enhancer(self, size: Size) -> float:
        """Of one forward."""
        return self._of(f"enhancer {size}", lambda: partial(enhancer_forward, self.transformer("enhancer"), size))

    def edit(self) -> float:
        """Of one forward of Qwen-Image-Edit-Plus; guidance takes two a step."""
        return self._of("edit", lambda: partial(edit_forward, self.transformer("qwen edit"), self._shapes.edit_grid))

    def encode(self, size: Size) -> float:
        """Of a video into latents."""
        return self._of(f"encode {size}", lambda: lambda device: self.vae().encode(_empty(device, 3, *size.pixels())))

    def decode(self, size: Size) -> float:
        """Of latents into a video."""
        return self._of(f"decode {size}", lambda: lambda device: self.vae().decode(_empty(device, 16, *size.latent())))

    def depth(self, name: str, size: Size) -> float:
        """Of all frames, each as it is seen, in whole patches of 14."""
        scale = self._shapes.depth_short_side / min(size.width, size.height)
        height, width = (14 * round(side * scale / 14) for side in (size.height, size.width))
        call = lambda: lambda device: self.depth_network(name)(pixel_values=_empty(device, 3, height, width))  # noqa: E731
        return size.frames * self._of(f"depth {name} {height}x{width}", call)

    def transformer(self, name: str) -> Any:
        """On the meta device."""
        import diffusers

        kinds = {"enhancer": ("WanTransformer3DModel", self._shapes.enhancer)}
        kinds |= {"qwen edit": ("QwenImageTransformer2DModel", self._shapes.edit)}
        kinds |= {"qwen 2.1": ("QwenImage21Transformer2DModel", self._shapes.edit21)}
        kinds |= {model: ("WanVACETransformer3DModel", shape) for model, shape in self._shapes.vace.items()}
        kind, shape = kinds[name]
        return _on_meta(getattr(diffusers, kind), **shape)

    def vae(self) -> Any:
        """On the meta device."""
        from diffusers import AutoencoderKLWan

        return _on_meta(AutoencoderKLWan, **self._shapes.wan_vae)

    def depth_network(self, name: str) -> Any:
        """On the meta device."""
        import transformers

        return _on_meta(
            transformers.DepthAnythingForDepthEstimation, transformers.DepthAnythingConfig(**self._shapes.depth[name])
        )

    def _of(self, name: str, build: Callable[[], Callable[[Any], object]]) -> float:
        import torch

        if name not in self._kept:
            self._kept[name] = flops_of(partial(build(), torch.device("meta")))
        return self._kept[name]


def _on_meta(kind: Any, *arguments: Any, **config: Any) -> Any:
    import torch

    with torch.device("meta"):
        return kind(*arguments, **config).eval()


def _empty(device: Any, *shape: int) -> Any:
    import torch

    return torch.empty(1, *shape, device=device)


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teraflops", type=float, default=790.0, help="a second, of the floor")
    rate = parser.parse_args().teraflops * 1e12
    from ditto_models.torchvision_cpu import declare_operators

    declare_operators()
    counted = Arithmetic(REAL)
    print("| network | parameters |\n|---|---|")
    networks = {f"wan-vace {model}": counted.transformer(model) for model in REAL.vace}
    networks |= {name: counted.transformer(name) for name in ("enhancer", "qwen edit", "qwen 2.1")}
    networks |= {"wan vae": counted.vae()} | {f"depth {name}": counted.depth_network(name) for name in REAL.depth}
    for name, network in networks.items():
        print(f"| {name} | {sum(parameter.numel() for parameter in network.parameters()) / 1e9:.3f}e9 |")
    print("\n| call | size | petaFLOP | seconds at the rate |\n|---|---|---|---|")
    for name, size, flops in _calls(counted):
        print(f"| {name} | {size} | {flops / 1e15:.3f} | {flops / rate:.2f} |", flush=True)


def _calls(counted: Arithmetic) -> list[tuple[str, str, float]]:
    calls: list[tuple[str, str, float]] = []
    for size in REAL.sizes:
        vae = counted.encode(size), counted.decode(size)
        forwards = {f"wan-vace {model} forward": counted.vace(model, size) for model in REAL.vace}
        forwards |= {"enhancer forward": counted.enhancer(size)}
        for name, flops in forwards.items():
            calls += [(name, str(size), flops), (f"{name}, {STEPS} of them", str(size), STEPS * flops)]
        calls += [("wan vae encode", str(size), vae[0]), ("wan vae decode", str(size), vae[1])]
        calls += [(f"depth {name}", str(size), counted.depth(name, size)) for name in REAL.depth]
    side = 16 * REAL.edit_grid
    return [*calls, ("qwen edit forward", f"{side}x{side}", counted.edit())]


if __name__ == "__main__":
    main()
