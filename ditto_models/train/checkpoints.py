"""Checkpoints of a training: all that is needed to go on as if it had not stopped, safetensors and one JSON.

A folder is written beside the others under a hidden name and renamed when all of it is on disk, so step-000500 is whole
or not there. Its JSON holds the digest of each file: one that was damaged since is passed over.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ditto_models.command import CommandFailed
from ditto_models.train.whole_file import save_tensors

if TYPE_CHECKING:
    import torch

CHECKPOINTS = "checkpoints"
"""Folder of them in CKPT."""
Part = Literal["trained", "average", "optimizer"]
_STATE = "state.json"
_UNFINISHED = ".unfinished-"
_REPLACED = ".replaced-"
_NAME = re.compile(r"(\.replaced-)?step-(\d{6,})")


class CheckpointError(CommandFailed):
    """A checkpoint could not be saved; the message says why, and which is the last good one."""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """What a training is made of between two steps; all tensors are whole, on whichever device."""

    step: int
    """Steps of the optimizer that were made."""
    trained: Mapping[str, torch.Tensor]
    """What trains, by name."""
    average: Mapping[str, torch.Tensor] | None
    """Its moving average, where there is one."""
    optimizer: Mapping[str, torch.Tensor]
    """Moments and counts of steps, by names that the trainer chooses."""
    numbers: Mapping[str, float | int | str]
    """Whatever else; kept to the last bit."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    sha256: str


class _Record(BaseModel):
    """state.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    step: int
    numbers: dict[str, int | float | str]
    files: dict[Part, _File]


def save(folder: Path, state: TrainingState, keep: int) -> Path:
    """Write FOLDER/step-000500 and remove all but the newest `keep`; one of the same step is replaced.

    Those of later steps go too: the training went on from an earlier one, so they were damaged. Only one process may
    save to a folder.

    Raises:
        CheckpointError: it cannot be written, for want of room for example; what was there before is as it was.
    """
    target = folder / f"step-{state.step:06d}"
    unfinished = folder / f"{_UNFINISHED}{target.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        _write(unfinished, state)
        _put(unfinished, target)
    except OSError as error:
        last = max((step for step, _ in _found(folder)), default=None)
        raise CheckpointError(
            f"checkpoint of step {state.step} could not be saved in {str(folder)!r}: {error}; "
            f"{f'the last one is of step {last}' if last is not None else 'there is none yet'}; "
            "make room and run the same command to go on"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    earlier = sorted((found for found in _found(folder) if found[0] <= state.step), reverse=True)
    kept = {path for _, path in earlier[:keep]}
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and path not in kept:
            shutil.rmtree(path)
    return target


def latest(
    folder: Path, say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)
) -> TrainingState | None:
    """The newest whole checkpoint, its tensors on the CPU; None where there is none.

    `say` is told of each that is passed over, and why.
    """
    for _, path in sorted(_found(folder), reverse=True):
        try:
            return _read(path)
        except (OSError, ValueError) as error:
            say(f"checkpoint {str(path)!r} is damaged and passed over: {error}")
    return None


def _found(folder: Path) -> Iterator[tuple[int, Path]]:
    """Steps and folders; of one that was being replaced at a kill, what stepped aside may be all there is."""
    for path in folder.glob("*"):
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir() and not (match[1] and path.with_name(path.name.removeprefix(_REPLACED)).is_dir()):
            yield int(match[2]), path


def _write(folder: Path, state: TrainingState) -> None:
    folder.mkdir()
    parts: dict[Part, Mapping[str, torch.Tensor] | None]
    parts = {"trained": state.trained, "average": state.average, "optimizer": state.optimizer}
    files = {}
    for part, tensors in parts.items():
        if tensors is not None:
            path = folder / f"{part}.safetensors"
            save_tensors(
                path, {name: each.detach().cpu().contiguous() for name, each in tensors.items()}, {"format": "pt"}
            )
            files[part] = _on_disk(path)
    record = _Record(step=state.step, numbers=dict(state.numbers), files=files)
    (folder / _STATE).write_text(record.model_dump_json(indent=1))
    _on_disk(folder / _STATE)
    _sync(folder)


def _read(folder: Path) -> TrainingState:
    from safetensors.torch import load_file

    try:
        record = _Record.model_validate_json((folder / _STATE).read_bytes())
    except ValidationError as error:
        raise ValueError(f"{_STATE} is torn or not one of ours") from error
    parts = {}
    for part, file in record.files.items():
        path = folder / f"{part}.safetensors"
        if path.stat().st_size != file.bytes or _digest(path) != file.sha256:
            raise ValueError(f"{path.name} is not as it was written")
        parts[part] = load_file(path)
    return TrainingState(
        step=record.step,
        trained=parts["trained"],
        average=parts.get("average"),
        optimizer=parts["optimizer"],
        numbers=record.numbers,
    )


def _put(unfinished: Path, target: Path) -> None:
    """Rename into place; no rename replaces a folder that is not empty, so one of the same step steps aside."""
    aside = target.with_name(f"{_REPLACED}{target.name}")
    if target.exists():
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
    unfinished.rename(target)
    _sync(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _on_disk(path: Path) -> _File:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return _File(bytes=path.stat().st_size, sha256=_digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Make what was renamed or made in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
