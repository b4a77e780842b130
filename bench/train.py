"""What a training step costs: steps a second, memory, how far from the floor, and what cached latents save.

python -m bench.train [--recipe small] [--steps 5] [--no-items] [--json] [key.path=value ...]: a row for each thing that
can train, with and without gradient checkpointing, then one sample encoded and one from the cache. Weights are random,
of the recipe's real shapes; nothing is downloaded, but for the VAE and text encoder of a published base, which
--no-items leaves out. With --count 790 only the arithmetic, and what it takes at so many TFLOP/s; with
--reckon-memory 8 only the memory of one of 8 GPUs. Neither needs a device.

The floor of a step: the floating-point operations of its forward pass, and of its backward pass to what trains, over
the rate of a large matrix product in the recipe's precision, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench.train_items import ItemCost, item_cost
from bench.train_memory import ReckonedMemory, reckoned
from bench.train_steps import StepCost, counted, step_cost
from ditto_models.settings import SettingsError
from ditto_models.train.recipe import Recipe, load_recipe
from ditto_models.train.trainable import Branch, Linear, Lora


def measure(recipe: Recipe, num_steps: int) -> list[StepCost]:
    """Each in a process of its own, so that its memory is its own."""
    costs = []
    for each in _each_kind(recipe):
        for checkpointing in (False, True):
            varied = each.model_copy(update={"gradient_checkpointing": checkpointing})
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                costs.append(alone.submit(step_cost, varied, num_steps).result())
            print(_row(costs[-1]), file=sys.stderr, flush=True)
    return costs


def count(recipe: Recipe, teraflops: float) -> str:
    """A table of the arithmetic of a step alone; no device is needed."""
    lines = ["| trains | petaFLOP a step, of all samples | seconds at the rate |", "|---|---|---|"]
    for each in _each_kind(recipe):
        cost, flops = counted(each)
        name = f"{cost.trains}, {cost.trained / 1e9:.3f}e9 of {cost.parameters / 1e9:.3f}e9"
        lines.append(f"| {name} | {flops / 1e15:.3f} | {flops / 1e12 / teraflops:.2f} |")
    return "\n".join(lines)


def reckon(recipe: Recipe, processes: int) -> list[ReckonedMemory]:
    """What one GPU of so many holds, without checkpointing and with it; no device is needed."""
    return [
        reckoned(recipe.model_copy(update={"gradient_checkpointing": checkpointing}), processes)
        for checkpointing in (False, True)
    ]


def memory_table(found: Sequence[ReckonedMemory]) -> str:
    """In Markdown."""
    lines = ["| checkpointing | largest bucket | GPUs | held, GB | peak of a step, GB |", "|---|---|---|---|---|"]
    for each in found:
        name = f"| {'on' if each.checkpointing else 'off'} | {each.bucket} | {each.processes} | "
        lines.append(f"{name}{each.held_gb:.2f} | {each.peak_gb:.2f} |")
    return "\n".join(lines)


def _each_kind(recipe: Recipe) -> list[Recipe]:
    """A LoRA of the recipe's own rank, where it has one."""
    lora = recipe.trains if isinstance(recipe.trains, Lora) else Lora()
    return [recipe.model_copy(update={"trains": trains}) for trains in (Linear(), Branch(), lora)]


def table(costs: Sequence[StepCost], items: ItemCost | None) -> str:
    """In Markdown."""
    lines = ["| trains | checkpointing | seconds a step | steps a second | memory, GB | floor, s | ratio |"]
    lines += ["|---|---|---|---|---|---|---|", *map(_row, costs)]
    if items is not None:
        lines += [
            f"\none sample encoded: {items.encoded_seconds * 1e3:.1f} ms; from the cache: "
            f"{items.cached_seconds * 1e3:.2f} ms; filling the cache: {items.fill_seconds * 1e3:.1f} ms a sample"
        ]
    return "\n".join(lines)


def _row(cost: StepCost) -> str:
    name = f"| {cost.trains}, {cost.trained / 1e6:.2f}M of {cost.parameters / 1e6:.2f}M | "
    name += f"{'on' if cost.checkpointing else 'off'} | "
    if cost.seconds is None or cost.ratio is None:
        return f"{name}{cost.note} | | | | |"
    memory = "" if cost.memory_gb is None else f"{cost.memory_gb:.2f}"
    figures = f"{cost.seconds:.3f} | {1 / cost.seconds:.2f} | {memory} | {cost.floor_seconds:.3f} | {cost.ratio:.1f}x |"
    return name + figures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--recipe", default="small", help="by name or path (default %(default)s)")
    parser.add_argument("--steps", type=int, default=5, help="timed for each row, after one that is not")
    parser.add_argument("--no-items", action="store_true", help="leave out encoding and the cache")
    parser.add_argument("--count", type=float, metavar="TERAFLOPS", help="only the arithmetic, at so many a second")
    parser.add_argument("--reckon-memory", type=int, metavar="GPUS", help="only the memory of one of so many GPUs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="e.g. optimizer.batch_size=4")
    arguments = parser.parse_args()
    try:
        recipe = load_recipe(arguments.recipe, arguments.overrides)
    except SettingsError as error:
        parser.error(str(error))
    if arguments.count:
        print(count(recipe, arguments.count))
        return
    if arguments.reckon_memory is not None:
        if arguments.reckon_memory < 1:
            parser.error(f"--reckon-memory {arguments.reckon_memory}: expected the number of GPUs, at least 1")
        found = reckon(recipe, arguments.reckon_memory)
        print(json.dumps([asdict(each) for each in found]) if arguments.json else memory_table(found))
        return
    items = None
    if not arguments.no_items:
        with tempfile.TemporaryDirectory() as folder:
            items = item_cost(recipe, Path(folder))
    costs = measure(recipe, arguments.steps)
    if arguments.json:
        print(json.dumps({"steps": [asdict(cost) for cost in costs], "items": asdict(items) if items else None}))
    else:
        print(table(costs, items))


if __name__ == "__main__":
    main()
