"""A frozen view of a dataset: which pairs a training reads, fixed once, whatever the campaign does after.

OUT/snapshot.jsonl has a line of what was frozen and how, then a line a pair. The files are hard-linked into
OUT/snapshot/, so that a pair that is overridden or a shard that is written anew takes nothing away; where the file
system has no links between the two, the pairs keep the dataset's own paths, and the snapshot says so.

The hash is of what every pair is and of the sizes of its files in bytes, not of what is in them, which would mean to
read terabytes before the first step, nor of their times, which a copy changes. A file's content is hashed where it is
read anyway, when it is encoded (latent_cache.py), and from then on must stay the same.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ditto_models.settings import first_problem
from ditto_models.train.dataset_rows import FILES, Found, SnapshotError, dataset_folder, read_dataset
from ditto_models.train.pairs import TrainingPair
from ditto_models.train.recipe import DataConfig
from ditto_models.train.selection import Selection, selected
from ditto_models.train.whole_file import write_whole

SNAPSHOT = "snapshot.jsonl"
LINKED = "snapshot"
"""Folder of the links."""
MOST_NAMED = 20
"""Pairs without files that the notes name."""
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a training reads."""

    pairs: tuple[TrainingPair, ...]
    """Of the train split, by id."""
    validation: tuple[TrainingPair, ...]
    """Of the validation split, filtered alike but for `most_pairs`."""
    hash: str
    """16 hex digits."""
    left_out: Mapping[str, int]
    """How many pairs of the dataset are not in it, by reason."""
    notes: tuple[str, ...]
    """What a person should know: files that are missing, pairs whose files could not be linked."""


class _Head(BaseModel):
    """The first line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    hash: str
    data: str
    """Absolute path of the dataset."""
    filters: dict[str, Any]
    """The DataConfig, but for what does not choose pairs."""
    left_out: dict[str, int]
    notes: tuple[str, ...]


_PAIR = TypeAdapter(TrainingPair)


def freeze(data: Path, out: Path, config: DataConfig) -> Snapshot:
    """The snapshot of OUT; made of the dataset `data` where OUT has none yet, which then is never read again.

    One process makes it; the others wait, and read it.

    Raises:
        SnapshotError: the dataset cannot be read or has no pair to train on, or OUT's snapshot is of another one.
        OSError: the disk is full; there is no snapshot then.
    """
    if (out / SNAPSHOT).exists():
        _check_same(_read_head(out), data, config, out)
        return read_snapshot(out)
    folder = dataset_folder(data).resolve()
    selection = selected(read_dataset(folder), config)
    out.mkdir(parents=True, exist_ok=True)
    pairs = [pair for found in selection.chosen if (pair := _linked(found, out, selection))]
    if not any(pair.split == "train" for pair in pairs):
        raise SnapshotError(_said_of_nothing(folder, selection, len(pairs)))
    head = _Head(
        hash=_hash_of(pairs),
        data=str(folder),
        filters=_filters(config),
        left_out=selection.left_out,
        notes=_notes(selection, pairs, folder, out),
    )
    lines = [head.model_dump_json(), *(json.dumps(_row(pair, out)) for pair in pairs)]
    write_whole(out / SNAPSHOT, (f"{line}\n".encode() for line in lines))
    return _snapshot(head, pairs)


def read_snapshot(out: Path) -> Snapshot:
    """The snapshot of a training's folder.

    Raises:
        SnapshotError: there is none, or it is damaged.
    """
    head = _read_head(out)
    pairs = []
    with (out / SNAPSHOT).open("rb") as lines:
        next(lines)
        for number, line in enumerate(lines, 2):
            try:
                pair = _PAIR.validate_json(line)
            except ValidationError as error:
                raise _damaged(out, f"line {number}: {first_problem(error)}") from error
            pairs.append(pair.with_files({what: out.absolute() / path for what, path in pair.files.items()}))
    if _hash_of(pairs) != head.hash:
        raise _damaged(out, "its pairs are not those that were frozen")
    return _snapshot(head, pairs)


def _linked(found: Found, out: Path, selection: Selection) -> TrainingPair | None:
    """The pair with its files in OUT, or where they lie if they cannot be linked; their sizes noted.

    None where they went since they were looked at, as those of a pair do that a person rejects.
    """
    links = {
        what: out.absolute() / LINKED / found.shard / pattern.format(found.pair.id) for what, pattern in FILES.items()
    }
    try:
        for what, target in found.pair.files.items():
            _link(target, links[what])
    except FileNotFoundError:
        selection.lost(found)
        return None
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        links = found.pair.files
    source, edited, key_frame = (path.stat().st_size for path in links.values())
    return replace(found.pair.with_files(links), num_bytes=(source, edited, key_frame))


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.hardlink_to(target)
    except FileExistsError:  # a freeze that was stopped
        if not link.samefile(target):
            link.unlink()
            link.hardlink_to(target)


def _filters(config: DataConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"cache"})


def _row(pair: TrainingPair, out: Path) -> dict[str, Any]:
    """A line: linked files by their path in OUT, so that the folder can be moved."""
    row = vars(pair) | {"scores": dict(pair.scores)}
    base = out.absolute()
    files = {what: path.relative_to(base) if path.is_relative_to(base) else path for what, path in pair.files.items()}
    return row | {what: str(path) for what, path in files.items()}


def _hash_of(pairs: Sequence[TrainingPair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        words = vars(pair) | {"scores": dict(pair.scores)} | dict.fromkeys(pair.files)
        digest.update(json.dumps(words, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def _snapshot(head: _Head, pairs: Sequence[TrainingPair]) -> Snapshot:
    return Snapshot(
        pairs=tuple(pair for pair in pairs if pair.split == "train"),
        validation=tuple(pair for pair in pairs if pair.split == "validation"),
        hash=head.hash,
        left_out=head.left_out,
        notes=head.notes,
    )


def _read_head(out: Path) -> _Head:
    path = out / SNAPSHOT
    if not path.is_file():
        raise SnapshotError(f"{str(out)!r} has no {SNAPSHOT}; expected the --out of ditto_models.train")
    with path.open("rb") as lines:
        try:
            return _Head.model_validate_json(lines.readline())
        except ValidationError as error:
            raise _damaged(out, first_problem(error)) from error


def _damaged(out: Path, why: str) -> SnapshotError:
    return SnapshotError(f"{str(out / SNAPSHOT)!r} is damaged: {why}; give a new --out")


def _check_same(head: _Head, data: Path, config: DataConfig, out: Path) -> None:
    if head.data not in (str(data.resolve()), str((data / "dataset").resolve())):
        raise SnapshotError(
            f"{str(out)!r} was frozen of {head.data!r}, not of {str(data)!r}; give that, or a new --out"
        )
    wanted = _filters(config)
    for key, value in wanted.items():
        if head.filters.get(key) != value:
            raise SnapshotError(
                f"{str(out)!r} was frozen with data.{key}={head.filters.get(key)!r}, not {value!r}; "
                "give the same recipe, or a new --out"
            )


def _notes(selection: Selection, pairs: Sequence[TrainingPair], folder: Path, out: Path) -> tuple[str, ...]:
    notes = [f"skipped {name}" for name in selection.missing[:MOST_NAMED]]
    if (more := len(selection.missing) - MOST_NAMED) > 0:
        notes.append(f"skipped {more} more pairs whose files are missing")
    if unlinked := sum(not pair.source.is_relative_to(out.absolute()) for pair in pairs):
        notes.append(
            f"the files of {unlinked} pairs could not be linked into {str(out)!r} and are read where they lie, in "
            f"{str(folder)!r}: leave them there until the training is over"
        )
    return tuple(notes)


def _said_of_nothing(folder: Path, selection: Selection, num_validation: int) -> str:
    reasons = selection.left_out | ({"split validation": num_validation} if num_validation else {})
    listed = ", ".join(f"{count} ({reason})" for reason, count in sorted(reasons.items())) or "none at all"
    return f"{str(folder)!r} has no pair to train on; left out: {listed}; loosen data.*, or let agent.run make more"
