"""What is exported: the dataset's metadata as it stood at one moment, while the run's owner may go on.

Lines are kept on disk by split, so that memory does not grow with the dataset. Media files lie whole under their names
before their line is written, so a pair that is read here can be read until somebody takes it out of the dataset.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TextIO, TypeVar

from pydantic import ValidationError

from agent.command import CommandFailed
from ditto_models.settings import first_problem
from memory.dataset import Record

MEDIA = {
    "source": "source_file_name",
    "edited": "edited_file_name",
    "key_frame_source": "key_frame_source_path",
    "key_frame_edited": "key_frame_edited_path",
}
"""The four files of a pair, and the column that names each."""
T = TypeVar("T")
_ID = re.compile(r"[\w-]{1,80}")


@dataclass(frozen=True)
class ExportPair:
    """One line of the metadata, and the shard folder that its files lie in."""

    record: Record
    line: str
    shard: Path

    @cached_property
    def paths(self) -> dict[str, Path]:
        """The four files of the pair."""
        return {name: self.shard / str(getattr(self.record, column)) for name, column in MEDIA.items()}

    @cached_property
    def num_bytes(self) -> int:
        """Of the four files together.

        Raises:
            CommandFailed: one cannot be read.
        """
        return sum(self._asked(path, lambda path: path.stat().st_size) for path in self.paths.values())

    def read(self) -> dict[str, bytes]:
        """The content of the four files.

        Raises:
            CommandFailed: one cannot be read.
        """
        return {name: self._asked(path, Path.read_bytes) for name, path in self.paths.items()}

    def _asked(self, path: Path, question: Callable[[Path], T]) -> T:
        # A pipe would wait for ever; an error of reading must not read like one of writing.
        try:
            if path.is_file():
                return question(path)
        except OSError as error:
            raise CommandFailed(f"pair {self.record.id!r} cannot be read: {error}") from error
        raise CommandFailed(f"{str(path)!r} is gone: pair {self.record.id!r} left the dataset meanwhile; export again")


@dataclass(kw_only=True)
class Snapshot:
    """The pairs of a dataset at one moment."""

    folder: Path
    """Where its lines are kept."""
    dataset: Path
    splits: Counter[str] = field(default_factory=Counter)
    """Pairs by split."""
    axes: dict[str, None] = field(default_factory=dict)
    """Every axis that any line has, in order."""
    slots: dict[str, None] = field(default_factory=dict)
    """Every key of `models` that any line has, in order."""
    config_hashes: set[str] = field(default_factory=set)
    code_versions: set[str] = field(default_factory=set)
    torn: int = 0
    """Last lines that were being written; they are not exported."""

    def pairs(self, split: str) -> Iterator[ExportPair]:
        """The pairs of a split, in the order of the dataset."""
        with _lines_of(self.folder, split).open(encoding="utf-8", newline="\n") as lines:
            for entry in lines:
                shard, _, line = entry.rstrip("\n").partition("\t")
                yield ExportPair(record=Record.model_validate_json(line), line=line, shard=self.dataset / shard)

    def note(self, record: Record) -> None:
        """Count one pair in."""
        self.splits[record.split] += 1
        self.axes |= dict.fromkeys(record.scores)
        self.slots |= dict.fromkeys(record.models)
        self.config_hashes.add(record.config_hash)
        self.code_versions.add(record.code_version)


def take_snapshot(dataset: Path, folder: Path) -> Snapshot:
    """Copy the metadata of a dataset to `folder`, by split.

    Raises:
        CommandFailed: a line that is not the last cannot be read.
    """
    snapshot = Snapshot(folder=folder, dataset=dataset)
    with ExitStack() as stack:
        opened: dict[str, TextIO] = {}
        for path in sorted(dataset.glob("shard-*/metadata.jsonl")):
            for record, line in _whole_lines(path, snapshot):
                if record.split not in opened:
                    target = _lines_of(folder, record.split)
                    opened[record.split] = stack.enter_context(target.open("w", encoding="utf-8", newline="\n"))
                opened[record.split].write(f"{path.parent.name}\t{line}\n")
                snapshot.note(record)
    return snapshot


def _lines_of(folder: Path, split: str) -> Path:
    return folder / f"{split}.jsonl"


def _whole_lines(path: Path, snapshot: Snapshot) -> Iterator[tuple[Record, str]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                snapshot.torn += 1
                return
            try:
                record = Record.model_validate_json(line)
                _check_names(record)
            except (ValidationError, ValueError) as error:
                problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
                raise CommandFailed(
                    f"{str(path)!r} line {number} is no pair's metadata: {problem}; "
                    "open the run once with agent.run, which mends its dataset"
                ) from error
            yield record, line.decode().rstrip("\n")


def _check_names(record: Record) -> None:
    """A dataset may come from elsewhere: its words name keys of an archive and files, so they must stay in bounds."""
    if not _ID.fullmatch(record.id):
        raise ValueError(f"id {record.id!r} is no plain name; expected letters, digits, '-' and '_'")
    for column in MEDIA.values():
        name = PurePosixPath(getattr(record, column))
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"{column} {str(name)!r} leads out of the dataset; expected a file of its shard")
