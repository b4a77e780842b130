"""What a run takes of the disk, and whether there is room to go on."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from rich.filesize import decimal

if TYPE_CHECKING:
    from agent.clip_rules import IngestConfig

FILES_COUNTED = 20_000
"""Of each part of a run; what has more files is estimated from so many. Content hashes spread artifacts evenly."""
BYTES_A_PIXEL = 0.4
"""First guess of what an accepted pair adds for each pixel of its frames, twice what it took on the sample clips
(2.1 MB at 640x360x49): as much again for what is dropped on the way."""


class DiskConfig(BaseModel):
    """When a run stops for want of room."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_free_gb: float = Field(default=1.0, ge=0)
    """Gigabytes (1e9 bytes) to leave free where the run lies: nothing is begun with less."""


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """Bytes on disk, by part of a run; a file with several names counts once, among the artifacts."""

    artifacts: int
    dataset: int
    """Files that are no links to artifacts: lines, tables, and copies on file systems without links."""
    ledger: int
    """Its backup, and what was moved aside when it was damaged, included."""
    memory: int
    training: int
    """Of editors trained during the run: encoded pairs, checkpoints, evaluations; links to pairs left out."""
    uploads: int
    """Videos that people gave to conversations, and what was drawn of these."""
    free: int
    estimated: bool
    """Whether a part was too large to count file by file."""

    def __str__(self) -> str:
        about = "about " if self.estimated else ""
        parts = (
            f"artifacts {about}{decimal(self.artifacts)}, dataset {about}{decimal(self.dataset)} beside links to them"
        )
        trained = f", training {about}{decimal(self.training)}" if self.training else ""
        given = f", uploads {decimal(self.uploads)}" if self.uploads else ""
        rest = f"ledger and backup {decimal(self.ledger)}, memory {decimal(self.memory)}{trained}{given}"
        return f"{parts}, {rest}; {decimal(self.free)} free"

    def as_json(self) -> dict[str, int | bool]:
        """For scripts; all but `estimated` in bytes."""
        return asdict(self)


def disk_use(run: Path) -> DiskUse:
    """What a run takes; bounded work, however many files it has."""
    artifacts, some_artifacts = _of_folders(sorted((run / "artifacts").glob("*/")), linked=True)
    dataset, some_dataset = _of_folders(sorted((run / "dataset").glob("*/*/")), linked=False)
    training, some_training = _of_folders(sorted((run / "training").rglob("*/")), linked=False)
    return DiskUse(
        artifacts=artifacts,
        dataset=dataset + _of_files(_files([run / "dataset", *(run / "dataset").glob("shard-*/")]), linked=False),
        ledger=_of_files(_files([run / "backup"]), linked=True) + _of_files(run.glob("ledger*"), linked=True),
        memory=_of_files(path for path in (run / "memory").rglob("*") if path.is_file()),
        training=training,
        uploads=_of_files(_files([run / "uploads", *(run / "talks").glob("*/")])),
        free=free_bytes(run),
        estimated=some_artifacts or some_dataset or some_training,
    )


def _of_folders(folders: list[Path], linked: bool) -> tuple[int, bool]:
    """Bytes of the files in folders, and whether they were estimated from some of the folders, spread over all."""
    found = seen = looked_at = 0
    for folder in random.Random(0).sample(folders, len(folders)):
        for entry in _files([folder]):
            found, seen = found + _bytes(entry, linked), seen + 1
        looked_at += 1
        if seen >= FILES_COUNTED:
            break
    return found * len(folders) // max(looked_at, 1), looked_at < len(folders)


def _files(folders: list[Path]) -> Iterator[os.DirEntry[str]]:
    for folder in folders:
        if folder.is_dir():
            with os.scandir(folder) as entries:
                yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def _of_files(files: Iterator[os.DirEntry[str]] | Iterator[Path], linked: bool = True) -> int:
    return sum(_bytes(entry, linked) for entry in files)


def _bytes(entry: os.DirEntry[str] | Path, linked: bool) -> int:
    """On disk; nothing for a file that has gone meanwhile, or that has other names where `linked` is false."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return 0
    return 512 * found.st_blocks if linked or found.st_nlink == 1 else 0


def free_bytes(path: Path) -> int:
    """Bytes that may still be written where `path` lies, or would lie."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, kw_only=True)
class Room:
    """Whether there is room to go on. `free` gives the bytes that are free."""

    config: DiskConfig
    free: Callable[[], int]

    def is_short(self) -> bool:
        """Whether less is free than must stay free. Costs one system call."""
        return self.free() < self.config.min_free_gb * 1e9

    def shortage(self, wanted: int) -> str | None:
        """Why nothing can be begun, in a line; None where it can. `wanted`: bytes that the target may take."""
        if not self.is_short():
            return None
        return f"only {self._missing(wanted)}; make room, or lower disk.min_free_gb"

    def warning(self, wanted: int) -> str | None:
        """What to expect where the target may not fit, in a line; the run stops by itself before the disk is full."""
        if self.free() - self.config.min_free_gb * 1e9 >= wanted:
            return None
        return f"the disk may not hold the target: {self._missing(wanted)}; the run stops in time and can be resumed"

    def _missing(self, wanted: int) -> str:
        return (
            f"{decimal(self.free())} is free; disk.min_free_gb={self.config.min_free_gb:g} is to stay free, "
            f"and the target may take {decimal(wanted)} more"
        )


def bytes_wanted(pairs: int, clips: IngestConfig, made: int = 0, artifacts: int = 0) -> int:
    """What so many more pairs may take: as those `made` so far took, else by a first guess from the clips' size."""
    guess = BYTES_A_PIXEL * clips.frames * clips.max_width * clips.max_height
    return round(max(pairs, 0) * (artifacts / made if made else guess))
