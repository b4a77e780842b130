"""Trains Editto on a dataset: python -m ditto_models.train --data RUN/dataset --out CKPT [--recipe R]

The same command goes on where a training stopped. On several GPUs: accelerate launch -m ditto_models.train ...
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

from ditto_models.command import CommandError, CommandFailed, command
from ditto_models.gpu.quiet import hide_progress_bars, say_errors_only
from ditto_models.settings import SettingsError
from ditto_models.train.claim import check_free, check_place, check_recipe, claimed
from ditto_models.train.processes import MainProcessFailed, leave
from ditto_models.train.recipe import FOLDER, PublishedBase, Recipe, load_recipe
from ditto_models.train.step import TrainingFailed

DEFAULT = "wan_vace_1_3b"


def main(words: list[str] | None = None) -> int:
    """Exit status 0: all steps are made; 1: stopped or failed; 2: the arguments do not fit."""
    known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
    parser = argparse.ArgumentParser(
        prog="python -m ditto_models.train",
        description=(__doc__ or "").splitlines()[0],
        epilog="Exit status: 0 done; 1 stopped or failed, the same command goes on; 2 bad arguments.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="RUN/dataset", help="of agent.run")
    parser.add_argument("--out", type=Path, required=True, metavar="CKPT", help="folder of what is trained")
    parser.add_argument("--recipe", default=DEFAULT, help=f"{known}, or a .yaml file (default %(default)s)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of encoded pairs, shared by trainings")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON on stdout; all else on stderr")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="e.g. optimizer.learning_rate=5e-5")
    arguments = parser.parse_args(words)
    return command(lambda: _as_one_of_several(arguments))


def _as_one_of_several(arguments: argparse.Namespace) -> int:
    """Train; where this is one of several processes, an error is said by the first of each machine alone.

    All find most errors alike, and would say them eight times over; but one that only another machine finds, such as a
    disk that it does not share, must be said too.
    """
    try:
        return _train(arguments)
    except (CommandError, SettingsError, TrainingFailed, MainProcessFailed) as error:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            raise
        return 2 if isinstance(error, CommandError | SettingsError) else 1


def _train(arguments: argparse.Namespace) -> int:
    recipe = load_recipe(arguments.recipe, arguments.overrides)
    out: Path = arguments.out
    check_place(out, arguments.data, arguments.cache)
    check_recipe(out, recipe)
    if _is_first():
        check_free(out)
    say_errors_only()
    _see_that_it_suits_this_machine(recipe, arguments.recipe)
    import torch

    from ditto_models.torchvision_cpu import declare_operators
    from ditto_models.train.preparation import prepared
    from ditto_models.train.processes import Processes
    from ditto_models.train.trainer import train

    declare_operators()
    hide_progress_bars()
    processes = Processes.of(recipe)

    def say(text: str) -> None:
        if processes.is_main:
            print(text, file=sys.stderr if arguments.json else sys.stdout, flush=True)

    owned = ExitStack()
    try:
        processes.on_main(lambda: owned.enter_context(claimed(out)))
        ready = prepared(recipe, arguments.data, out, arguments.cache, processes, say)
        outcome = train(
            recipe,
            ready.transformer,
            ready.items,
            ready.data.pairs,
            out,
            validation=ready.data.validation,
            base=ready.base,
            snapshot_hash=ready.data.snapshot.hash,
            processes=processes,
        )
    except torch.OutOfMemoryError as error:
        raise CommandFailed(
            f"the GPU's memory is full: {' '.join(str(error).split())[:200]}; lower optimizer.batch_size (and raise "
            "optimizer.accumulation), set gradient_checkpointing=true or sharding=fsdp2, or train smaller data.buckets"
        ) from error
    finally:
        owned.close()
        processes.end()
    if arguments.json and processes.is_main:
        print(json.dumps({"out": str(out), "steps": outcome.steps, "done": outcome.is_done}))
    if not outcome.is_done:
        raise TrainingFailed(
            f"stopped after step {outcome.steps} of {recipe.steps}; the same command goes on from there"
        )
    say(
        f"done: {str(out / 'editto.safetensors')!r} after {outcome.steps} steps; use it with "
        f"`python -m ditto_models.edit CLIP --instruction TEXT --model {shlex.quote(str(out))} --out FILE`"
    )
    return 0


def _is_first() -> bool:
    """Of the processes that a launcher started; alone it is."""
    return os.environ.get("RANK", "0") == "0"


def _see_that_it_suits_this_machine(recipe: Recipe, name: str) -> None:
    if recipe.device != "auto" or not isinstance(recipe.base, PublishedBase):
        return
    import torch

    if not torch.cuda.is_available():
        raise CommandError(
            f"recipe {name!r} trains {recipe.base.repo!r}, and torch sees no GPU; to see a training work here, give "
            "--recipe tiny; to train this one on the CPU all the same, device=cpu"
        )


if __name__ == "__main__":
    leave(main())
