"""One kind of training step, timed with random weights of a recipe's shapes and random samples of its first bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.gpu_meter import backward_flops_of, matrix_rate
from bench.gpu_shapes import REAL
from bench.peak_memory import Memory
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.wan_text import MOST_TOKENS
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.curriculum import Curriculum, Dial
from ditto_models.train.flow_matching import draw, losses
from ditto_models.train.items import Item
from ditto_models.train.random_base import SMALL, TINY
from ditto_models.train.recipe import RandomBase, Recipe
from ditto_models.train.trainable import made_trainable

if TYPE_CHECKING:
    import torch

ALWAYS = Curriculum(key_frame=Dial(schedule="off", start=1.0))
"""The key frame for all samples: a step is as long as it can be."""
CPU_SIDES, GPU_SIDES = (512, 1024), (8192, 16384)
"""Of the matrices whose product gives the rate."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """None is what could not be measured; the note says why."""

    trains: str
    checkpointing: bool
    parameters: int
    trained: int
    seconds: float | None = None
    """Median of the steps, each with a key frame for all samples: the longest that a step can be."""
    memory_gb: float | None = None
    """Peak, network and optimizer in it: on a GPU what torch holds; on a CPU what the process grew by."""
    floor_seconds: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Seconds over the floor's."""
        return self.seconds / self.floor_seconds if self.seconds and self.floor_seconds else None


def step_cost(recipe: Recipe, num_steps: int) -> StepCost:
    """Of the recipe as it stands; steps are those of the trainer, optimizer and average with them."""
    import torch

    cost, flops = counted(recipe)
    try:
        return _timed(recipe, num_steps, cost, flops)
    except torch.OutOfMemoryError as error:
        return StepCost(**{**vars(cost), "note": f"out of memory: {str(error).splitlines()[0]}"})


def counted(recipe: Recipe) -> tuple[StepCost, float]:
    """What is known without a step: numbers of weights, and floating-point operations of one without checkpointing."""
    import torch

    declare_operators()
    transformer = _transformer(recipe, torch.device("meta"))
    trained = made_trainable(transformer, recipe.trains)
    cost = StepCost(
        trains=recipe.trains.kind,
        checkpointing=recipe.gradient_checkpointing,
        parameters=sum(each.numel() for each in transformer.parameters()),
        trained=sum(each.numel() for each in trained.values()),
    )
    return cost, backward_flops_of(_passes(recipe, transformer))


def _timed(recipe: Recipe, num_steps: int, cost: StepCost, flops: float) -> StepCost:
    import torch

    from ditto_models.train.learner import Learner
    from ditto_models.train.processes import Processes
    from ditto_models.train.step import Sample

    recipe = recipe.model_copy(update={"curriculum": ALWAYS})
    processes = Processes.of(recipe)
    dtype = getattr(torch, recipe.dtype)
    rate = matrix_rate(processes.device, GPU_SIDES if processes.device.type == "cuda" else CPU_SIDES, dtype)
    count = recipe.optimizer.whole_batch(1)
    samples = [
        Sample(place=place, pair_id=str(place), item=_item(recipe, torch.device("cpu"), place))
        for place in range(count)
    ]
    seconds = []
    with Memory(processes.device) as memory:
        learner = Learner(recipe, _transformer(recipe, processes.device), processes)
        for number in range(num_steps + 1):
            began = time.perf_counter()
            learner.step(number, samples)  # it ends with the loss as a number, so a GPU is waited for
            seconds.append(time.perf_counter() - began)
    found = {
        "seconds": median(seconds[1:]),
        "memory_gb": memory.peak_gb,
        "floor_seconds": flops / rate,
    }
    return StepCost(**{**vars(cost), **found})


def _passes(recipe: Recipe, transformer: Any) -> Callable[[], torch.Tensor]:
    """A whole step's loss, on the meta device."""
    import torch

    count = recipe.optimizer.whole_batch(1)
    items = [_item(recipe, torch.device("meta"), place) for place in range(count)]
    draws = [draw(recipe.noise, 0, 0, place, item.edited_CTHW) for place, item in enumerate(items)]
    return lambda: losses(transformer, items, draws, [True] * count).sum()


def _item(recipe: Recipe, device: torch.device, seed: int) -> Item:
    import torch

    shape = recipe.data.buckets[0].latent_shape
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        if device.type == "meta":
            return torch.empty(shape, device=device)
        return torch.randn(shape, generator=generator)

    text = _shape(recipe)["text_dim"]
    return Item(
        source_CTHW=noise(*shape),
        edited_CTHW=noise(*shape),
        key_C1HW=noise(shape[0], 1, *shape[2:]),
        empty_CTHW=noise(*shape),
        text_LD=noise(MOST_TOKENS, text),
    )


def _transformer(recipe: Recipe, device: torch.device) -> Any:
    import torch
    from diffusers import WanVACETransformer3DModel

    from bench.gpu_networks import made

    if device.type == "meta":
        with device:
            return WanVACETransformer3DModel(**_shape(recipe))
    return made(WanVACETransformer3DModel, device, getattr(torch, recipe.dtype), **_shape(recipe))


def empty_base(recipe: Recipe, device: torch.device) -> Any:
    """Its transformer, as `from_pretrained` would lay it out in the recipe's precision; its weights are not set."""
    import torch
    from diffusers import WanVACETransformer3DModel

    with device:
        transformer = WanVACETransformer3DModel(**_shape(recipe))
    dtype = getattr(torch, recipe.dtype)
    kept = set(transformer._keep_in_fp32_modules)
    for name, parameter in transformer.named_parameters():
        if not kept.intersection(name.split(".")):
            parameter.data = parameter.data.to(dtype)
    return transformer


def empty_item(recipe: Recipe, bucket: Bucket) -> Item:
    """On the CPU, in the precision that items are kept in."""
    import torch

    dtype = getattr(torch, recipe.dtype)
    height, width, frames = bucket.height // 8, bucket.width // 8, (bucket.frames - 1) // 4 + 1
    video = torch.empty(16, frames, height, width, dtype=dtype)
    return Item(
        source_CTHW=video,
        edited_CTHW=video,
        key_C1HW=video[:, :1],
        empty_CTHW=video,
        text_LD=torch.empty(MOST_TOKENS, _shape(recipe)["text_dim"], dtype=dtype),
    )


def _shape(recipe: Recipe) -> dict[str, Any]:
    if isinstance(recipe.base, RandomBase):
        return {"tiny": TINY, "small": SMALL}[recipe.base.size]
    for name, shape in REAL.vace.items():
        if name in recipe.base.repo:
            return shape
    raise ValueError(
        f"base {recipe.base.repo!r} has no known shape; expected one of {', '.join(REAL.vace)} in its name"
    )
