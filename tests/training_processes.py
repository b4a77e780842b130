"""Trainings in several real processes that talk over gloo; run as a module, this is one of the processes.

python -m tests.training_processes JOBS.json: [{"out": ..., "recipe": {...}}, ...], one after the other.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.commands import ROOT

ITEMS = 4


def run_together(count: int, jobs: Sequence[dict[str, object]], folder: Path) -> None:
    """Carry out trainings in so many processes; each writes OUT/losses.json."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "jobs.json"
    listed.write_text(json.dumps(jobs))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": 1,
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training_processes", listed],
            cwd=ROOT,
            env=os.environ | {key: str(value) for key, value in (group | {"RANK": rank, "LOCAL_RANK": rank}).items()},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    said = [process.communicate(timeout=600)[1] for process in started]
    assert [process.returncode for process in started] == [0] * count, "\n".join(said)


def carry_out(jobs: Iterable[Mapping[str, Any]]) -> None:
    """The jobs in this process, alone or as one of several."""
    from ditto_models.gpu.weights import WeightsConfig
    from ditto_models.train.base_transformer import base_transformer
    from ditto_models.train.processes import Processes
    from ditto_models.train.recipe import Recipe
    from ditto_models.train.trainer import train
    from tests.tiny_training import ItemsInMemory, pairs_in_buckets, tiny_transformer

    for job in jobs:
        out = Path(job["out"])
        recipe = Recipe.model_validate(job["recipe"])
        processes = Processes.of(recipe)
        losses: list[float] = []
        every = pairs_in_buckets(ITEMS + 3)
        transformer = tiny_transformer()
        if "base" in job:
            transformer = base_transformer(WeightsConfig(repo=job["base"]), recipe, processes)
            read_nothing = processes.one_by_one and not processes.is_main
            assert all(each.is_meta == read_nothing for each in transformer.parameters())
        train(
            recipe,
            transformer,
            ItemsInMemory(unusable=job.get("unusable", ())),
            every[:ITEMS],
            out,
            validation=every[ITEMS:],
            processes=processes,
            watch=lambda steps, result, losses=losses: losses.append(result.loss),  # type: ignore[misc]
        )
        if processes.is_main:
            (out / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    import torch

    from ditto_models.train.processes import leave

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    carry_out(json.loads(Path(sys.argv[1]).read_text()))
    leave(0)
