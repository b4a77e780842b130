"""The export's folder: shards of one format by split, and an index; under its name only when it is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from agent.command import CommandError, CommandFailed
from agent.export.snapshot import ExportPair, Snapshot
from memory.artifacts import sync_folder

SPLITS = ("train", "validation", "test")


class ShardFormat(Protocol):
    """One file format: how a shard is called and written."""

    def name(self, split: str, number: int, total: int) -> str:
        """The file name of shard `number`, counted from 0, of `total` in its split."""
        ...

    def write(self, path: Path, pairs: Iterable[ExportPair]) -> None:
        """Write pairs, in order, as one file; equal pairs give equal bytes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much goes into one shard; a single pair may be larger than `num_bytes`."""

    num_pairs: int | None = None
    num_bytes: int | None = None

    def reached(self, num_pairs: int, num_bytes: int) -> bool:
        """True where so much would be too much."""
        return (self.num_pairs is not None and num_pairs > self.num_pairs) or (
            self.num_bytes is not None and num_bytes > self.num_bytes
        )


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One written file, as the index names it."""

    file: str
    split: str
    num_bytes: int
    sha256: str
    pairs: list[str]
    """The ids, in order."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that gets its name when the block ends well, and is removed otherwise.

    Raises:
        CommandError: `out` holds something already, or its parent cannot be made.
        CommandFailed: the disk is full or fails.
    """
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise CommandError(f"--out {str(out)!r} is there already and not an empty folder; give a new one")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise CommandError(f"--out {str(out)!r} cannot be made: {error}; give a folder that can be written") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise CommandFailed(
            f"--out {str(out)!r} cannot be written: {error}; free some space or give another, nothing was left there"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_split(
    folder: Path,
    snapshot: Snapshot,
    split: str,
    kind: ShardFormat,
    limits: Limits,
    wrote: Callable[[ExportPair], None],
) -> list[Shard]:
    """Write one split's pairs; `wrote` is told of each. A split without pairs has no file."""
    if not snapshot.splits[split]:
        return []
    written: list[tuple[Path, list[str]]] = []
    numbered = _numbered(snapshot.pairs(split), limits)
    for number, members in groupby(numbered, key=lambda member: member[0]):
        path = folder / f"{split}-{number}"
        ids: list[str] = []
        kind.write(path, _noted((pair for _, pair in members), ids, wrote))
        written.append((path, ids))
    names = [kind.name(split, number, len(written)) for number in range(len(written))]
    return [_named(path, name, split, ids) for (path, ids), name in zip(written, names, strict=True)]


def write_index(folder: Path, form: str, snapshot: Snapshot, shards: Sequence[Shard]) -> None:
    """Write index.json: what made the pairs, and every shard with its pairs and its hash."""
    splits = {split: sum(len(shard.pairs) for shard in shards if shard.split == split) for split in SPLITS}
    index = {
        "format": form,
        "num_pairs": sum(splits.values()),
        "splits": {split: count for split, count in splits.items() if count},
        "config_hashes": [*sorted(snapshot.config_hashes)],
        "code_versions": [*sorted(snapshot.code_versions)],
        "shards": [asdict(shard) for shard in shards],
    }
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _noted(pairs: Iterable[ExportPair], ids: list[str], wrote: Callable[[ExportPair], None]) -> Iterator[ExportPair]:
    for pair in pairs:
        yield pair
        ids.append(pair.record.id)
        wrote(pair)


def _numbered(pairs: Iterable[ExportPair], limits: Limits) -> Iterator[tuple[int, ExportPair]]:
    number = num_pairs = num_bytes = 0
    for pair in pairs:
        if num_pairs and limits.reached(num_pairs + 1, num_bytes + pair.num_bytes):
            number, num_pairs, num_bytes = number + 1, 0, 0
        num_pairs += 1
        num_bytes += pair.num_bytes
        yield number, pair


def _named(path: Path, name: str, split: str, ids: list[str]) -> Shard:
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    path.rename(path.with_name(name))
    size = path.with_name(name).stat().st_size
    return Shard(file=name, split=split, num_bytes=size, sha256=digest, pairs=ids)
