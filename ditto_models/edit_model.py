"""Which Editto, as it is named on a command line: a folder that was trained, or a file and its base, with settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from ditto_models.command import CommandError
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.editto import EdittoConfig
from ditto_models.gpu.editto_card import read_card
from ditto_models.gpu.tensor_file import WeightsError
from ditto_models.settings import first_problem, override

UNCARDED = Bucket(frames=81, height=480, width=832)
"""Of weights without a card: the smaller size of Wan."""


def sizes_of(model: str, largest: str | None = None) -> tuple[Bucket, ...]:
    """Sizes that it may be made at: as asked (WIDTHxHEIGHTxFRAMES), or as it was trained at.

    Raises:
        CommandError: the model has no card, or `largest` is no size that Wan can take.
    """
    if largest is None:
        path = Path(model).expanduser()
        try:
            return (UNCARDED,) if path.suffix == ".safetensors" else read_card(path).buckets
        except WeightsError as error:
            raise CommandError(f"--model: {error}") from error
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", largest)
    if not found:
        raise CommandError(f"--largest is {largest!r}; expected WIDTHxHEIGHTxFRAMES, for example 832x480x81")
    width, height, frames = map(int, found.groups())
    try:
        return (Bucket(width=width, height=height, frames=frames),)
    except ValidationError as error:
        raise CommandError(f"--largest {largest!r}: {first_problem(error)}") from error


def config_of(model: str, base: str | None, settings: Sequence[str], sizes: Sequence[Bucket]) -> EdittoConfig:
    """The model and its settings (`key.path=value`), for videos of these sizes.

    Raises:
        CommandError: there is no such model, or a setting is out of bounds.
        SettingsError: a setting is no such text.
    """
    path = Path(model).expanduser()
    pixels = max(size.width * size.height for size in sizes)
    values: dict[str, object] = {
        "sampling": {"kind": "full"},
        "largest": {"frames": max(size.frames for size in sizes), "pixels": pixels},
    }
    if path.suffix == ".safetensors":
        if not base:
            raise CommandError(f"--model {model!r} is a file; name what it was trained of, by --base REPO")
        if not path.is_file():
            raise CommandError(f"--model {model!r} is not there; expected a .safetensors file or a folder")
        values |= {"trained": {"repo": str(path.parent), "file": path.name}}
    else:
        values |= {"model": str(path)}
    if base:
        values |= {"weights": {"repo": base}}
    for text in settings:
        override(values, text, "model", "placement.offload=group")
    try:
        return EdittoConfig.model_validate(values)
    except ValidationError as error:
        raise CommandError(f"model {model!r}: {first_problem(error)}") from error
