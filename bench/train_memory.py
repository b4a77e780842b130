"""The memory that a training takes of a GPU, reckoned without one: the trainer's own steps on pretended tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.peak_memory import GB
from bench.train_steps import ALWAYS, empty_base, empty_item
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.recipe import Recipe

NUM_STEPS = 2
"""The first makes the optimizer's moments, the second has them from its beginning."""


@dataclass(frozen=True, kw_only=True)
class ReckonedMemory:
    """Of one process of so many."""

    checkpointing: bool
    bucket: str
    processes: int
    held_gb: float
    """Between two steps: weights, optimizer and average."""
    peak_gb: float
    """Within a step, all samples with the key frame; what the allocator splits and libraries take is not in it."""


def reckoned(recipe: Recipe, processes: int = 1) -> ReckonedMemory:
    """Of the recipe as it stands, for its longest bucket.

    One process holds the whole network, and several its shares by FSDP2 where the recipe says so; DDP's buckets share
    their memory with the gradients.
    """
    import torch

    from bench.pretended_device import HeldMemory, PretendedProcesses, pretended_tensors
    from ditto_models.train.learner import Learner
    from ditto_models.train.step import Sample

    declare_operators()
    recipe = recipe.model_copy(update={"curriculum": ALWAYS})
    bucket = max(recipe.data.buckets, key=lambda each: each.frames * each.height * each.width)
    shares = processes if recipe.sharding == "fsdp2" else 1
    # A group of pretended processes has no meta device.
    device = torch.device("cpu" if shares > 1 else "meta")
    with _group(shares), pretended_tensors():
        base = empty_base(recipe, device)
        count = recipe.optimizer.batch_size * recipe.optimizer.accumulation
        samples = [Sample(place=place, pair_id="", item=empty_item(recipe, bucket)) for place in range(count)]
        memory = HeldMemory()
        for tensor in [*base.parameters(), *base.buffers()]:
            memory.see(tensor)
        with memory:
            with device:  # a LoRA's factors are made there
                learner = Learner(recipe, base, PretendedProcesses(device, shares))
            memory.forget_peak()  # of what is spread over others
            for number in range(NUM_STEPS):
                learner.step(number, samples)
    return ReckonedMemory(
        checkpointing=recipe.gradient_checkpointing,
        bucket=str(bucket),
        processes=processes,
        held_gb=memory.now[device.type] / GB,
        peak_gb=memory.peak[device.type] / GB,
    )


@contextmanager
def _group(count: int) -> Iterator[None]:
    """Of processes that are not there: what they send is nothing."""
    if count == 1:
        yield
        return
    import torch.distributed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=count)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()
