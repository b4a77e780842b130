"""The pairs of RUN/dataset as its metadata lists them; what stands there is data, and leads to no file outside.

Layout: shard-*/metadata.jsonl with source/ID.mp4, edited/ID.mp4 and key_frame_edited/ID.png beside it. A campaign may
be writing: a last line that is not whole yet is left out, and while two shards exchange pairs a pair may stand in both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ditto_models.command import CommandError
from ditto_models.settings import first_problem
from ditto_models.train.pairs import TrainingPair

FILES = {"source": "source/{}.mp4", "edited": "edited/{}.mp4", "key_frame": "key_frame_edited/{}.png"}
"""Where a pair's files lie in its shard, by what they are to a TrainingPair."""
MOST = 10**7
"""Frames, or pixels of a side, that are taken for a number of such."""
_ID = re.compile(r"(?!.*\.\.)\w[\w.-]{0,199}", re.ASCII)


class SnapshotError(CommandError):
    """A dataset that cannot be frozen, or is frozen already and another one; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A pair of the dataset, and in which shard it stands."""

    pair: TrainingPair
    shard: str

    @property
    def missing(self) -> str:
        """What of its files is not there; empty of a whole pair."""
        return ", ".join(what for what, path in self.pair.files.items() if not path.is_file())


class _Row(BaseModel):
    """What the trainer reads of a line; more keys may stand there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    source_file_name: str
    edited_file_name: str
    key_frame_edited_path: str
    instruction: str = Field(min_length=1)
    edit_type: str
    scope: Literal["global", "local"]
    split: Literal["train", "validation", "test"]
    scores: dict[str, float | None]
    frames: int = Field(ge=1, le=MOST)
    width: int = Field(ge=1, le=MOST)
    height: int = Field(ge=1, le=MOST)


def read_dataset(data: Path) -> Iterator[Found]:
    """Every pair that the shards list, in the order of shards and lines; `data` is RUN/dataset, or RUN.

    Raises:
        SnapshotError: there is no dataset, a line is no such row, or it names files outside of its shard.
    """
    folder = dataset_folder(data)
    for metadata in sorted(folder.glob("shard-*/metadata.jsonl")):
        shard = _Shard(metadata.parent, folder.resolve())
        for number, line in enumerate(metadata.read_bytes().splitlines(keepends=True), 1):
            if line.strip() and line.endswith(b"\n"):
                yield _found(line, shard, f"{str(metadata)!r} line {number}")


def dataset_folder(data: Path) -> Path:
    """`data` itself, or the dataset of the run that it is.

    Raises:
        SnapshotError: neither has a shard.
    """
    for folder in (data, data / "dataset"):
        if any(folder.glob("shard-*/metadata.jsonl")):
            return folder
    raise SnapshotError(
        f"{str(data)!r} has no shard-*/metadata.jsonl; expected the dataset folder of a run of agent.run"
    )


class _Shard:
    """A folder of the dataset; links are followed once for all of its files, which takes half of the time else."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.name = folder.name
        self._root = root
        self._folders = {what: (folder / pattern).parent.resolve() for what, pattern in FILES.items()}

    def path(self, what: str, file: str, where: str) -> Path:
        """A file's absolute path, found to lie in the dataset."""
        path = self._folders[what] / file
        if path.is_symlink():
            path = path.resolve()
        if not str(path).startswith(f"{self._root}{os.sep}"):
            raise SnapshotError(
                f"{where}: its {what} is a link out of the dataset, to {str(path)!r}; put the file there"
            )
        return path


def _found(line: bytes, shard: _Shard, where: str) -> Found:
    try:
        row = _Row.model_validate_json(line)
    except ValidationError as error:
        raise SnapshotError(f"{where} is no row of a dataset: {first_problem(error)}; mend or remove it") from error
    if not _ID.fullmatch(row.id):
        raise SnapshotError(
            f"{where}: id {row.id[:80]!r} is no name of a file; expected letters, digits, '_', '-', '.'"
        )
    named = {"source": row.source_file_name, "edited": row.edited_file_name, "key_frame": row.key_frame_edited_path}
    for what, pattern in FILES.items():
        if named[what] != (expected := pattern.format(row.id)):
            raise SnapshotError(
                f"{where} names the file {named[what][:80]!r}; expected {expected!r}, mend or remove the line"
            )
    pair = TrainingPair(
        id=row.id,
        source=shard.path("source", f"{row.id}.mp4", where),
        edited=shard.path("edited", f"{row.id}.mp4", where),
        key_frame=shard.path("key_frame", f"{row.id}.png", where),
        instruction=row.instruction,
        edit_type=row.edit_type,
        scope=row.scope,
        split=row.split,
        scores=row.scores,
        frames=row.frames,
        width=row.width,
        height=row.height,
    )
    return Found(pair=pair, shard=shard.name)
