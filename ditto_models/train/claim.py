"""The folder of a training: one training at a time, and the recipe that it was begun with."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ditto_models.command import CommandError
from ditto_models.settings import first_problem
from ditto_models.train.recipe import Recipe
from ditto_models.train.whole_file import sweep, write_whole
from ditto_models.yaml_text import from_yaml

RECIPE = "recipe.yaml"
_LOCK = ".lock"
_MAY_DIFFER = (
    "steps",
    "saving.",
    "logging.",
    "validation.",
    "device",
    "gradient_checkpointing",
    "sharding",
    "optimizer.batch_size",
    "optimizer.accumulation",
)
"""Settings that may be changed when a training goes on: they change nothing of what is learned. The samples of a whole
step must stay as many, however they are dealt; the trainer sees to that."""


def check_place(out: Path, data: Path, cache: Path | None = None) -> None:
    """See that a training may have its folders there; a dataset is everybody's, and its folders are read as pairs.

    Raises:
        CommandError: it is a file, a run of agent.run, or lies in the dataset.
    """
    place, read = out.resolve(), data.resolve()
    if place.exists() and not place.is_dir():
        raise CommandError(f"--out {str(out)!r} is a file; expected a folder, a new one or that of a training")
    if cache and cache.exists() and not cache.is_dir():
        raise CommandError(
            f"--cache {str(cache)!r} is a file; expected a folder, a new one or another training's cache"
        )
    datasets = [folder for folder in (read, read / "dataset") if any(folder.glob("shard-*"))]
    if place == read or any(place.is_relative_to(folder) for folder in datasets):
        raise CommandError(f"--out {str(out)!r} lies in the data, {str(data)!r}; name a folder elsewhere")
    if cache and any(cache.resolve().is_relative_to(folder) for folder in datasets):
        raise CommandError(f"--cache {str(cache)!r} lies in the data, {str(data)!r}; name a folder elsewhere")
    if (out / "ledger.sqlite").exists():
        raise CommandError(f"--out {str(out)!r} is a run of agent.run; name a folder of its own, e.g. in it")


def check_recipe(out: Path, recipe: Recipe) -> None:
    """See that a folder's training can go on with a recipe; one without is free for any.

    Raises:
        CommandError: it was begun with another; the message says the differences.
    """
    if not is_begun(out):
        return
    path = out / RECIPE
    try:
        begun = Recipe.model_validate(from_yaml(path.read_text()))
    except (yaml.YAMLError, ValidationError) as error:
        why = first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise CommandError(f"{str(path)!r} cannot be read: {why}; give a new --out") from error
    before, now = _flat(begun), _flat(recipe)
    changed = [key for key in now | before if before.get(key) != now.get(key) and not key.startswith(_MAY_DIFFER)]
    if changed:
        said = ", ".join(f"{key}={before.get(key)!r}, not {now.get(key)!r}" for key in sorted(changed))
        raise CommandError(f"{str(out)!r} was begun with {said}; give the same recipe, or a new --out")
    if recipe.steps < begun.steps:
        raise CommandError(
            f"{str(out)!r} was begun with steps={begun.steps}, not {recipe.steps}; raise them, or give a new --out"
        )


def check_free(out: Path) -> None:
    """See that nobody trains in a folder now.

    Raises:
        CommandError: somebody does.
    """
    if (out / _LOCK).exists():
        with _locked(out):
            pass


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """While a training owns its folder: from before it prepares anything there, which may take hours.

    What one that was killed left unfinished is removed.

    Raises:
        CommandError: another training is at work in it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        sweep(out)
        yield


def is_begun(out: Path) -> bool:
    """Whether a folder's training has come to its first step, and so is bound to its recipe."""
    return (out / RECIPE).is_file()


def keep_recipe(out: Path, recipe: Recipe) -> None:
    """Write down what a folder's training is begun with, or goes on with.

    Raises:
        CommandError: it was begun with another.
    """
    check_recipe(out, recipe)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / RECIPE, [yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False).encode()])


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """The kernel frees the lock when the process ends, however it does."""
    with (out / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"another training is at work in {str(out)!r}; wait for it, or give a new --out"
            ) from None
        yield


def _flat(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else key)
        else:
            found[path] = value

    walk(recipe.model_dump(mode="json"), "")
    return found
