"""Where the edits that are evaluated come from: the dataset, anybody's folder, or an editor, whose edits are kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.clip_rules import IngestConfig, fitted_size
from agent.command import CommandError
from agent.evaluate.pairs import EvaluationPair, is_outside
from agent.judge.pair_files import MAX_FRAMES
from ditto_models import video
from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.gpu.network import OutOfMemory

Told = Callable[[str, float], None]
"""Is told what is being done of an edit, in a few words, and which share of it is done, 0..1."""
EditFile = Callable[[Path, str, Path, Told], None]
"""Edits a video by an instruction into another file, of the same frames, size and rate, which appears once whole."""
NAMES = ("{id}.mp4", "{id}/generate.mp4", "{source}.mp4", "{source}_edited.mp4")
"""What an edit may be called in a folder: by its pair, as EditVerseBench has results, or by its source's file."""


def unheard(what: str, share: float) -> None:
    """Nobody is told."""


class NoEdit(Exception):
    """There is no edit of a pair; the message says why."""


@dataclass(frozen=True, kw_only=True)
class EditFiles:
    """A pair as it is judged."""

    source: Path
    edited: Path


class Edits(Protocol):
    """Where edits come from."""

    def of(self, pair: EvaluationPair, told: Told) -> EditFiles:
        """The files of a pair; `told` hears of an edit that has to be made first.

        Raises:
            NoEdit: there is none, or it could not be made.
        """
        ...


class OfDataset:
    """The dataset's own edits, which an editor that is trained on it is to reach."""

    def of(self, pair: EvaluationPair, told: Told = unheard) -> EditFiles:
        """The pair's own.

        Raises:
            NoEdit: it has none.
        """
        if pair.edited is None:
            raise NoEdit("a benchmark has no edits of its own; expected --model or --edits")
        return EditFiles(source=pair.source, edited=pair.edited)


class OfFolder:
    """Edits that anybody made, in a folder."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise CommandError(f"--edits {str(folder)!r} is not a folder; give one that holds videos")
        self._folder = folder

    def of(self, pair: EvaluationPair, told: Told = unheard) -> EditFiles:
        """The one that bears the pair's name.

        Raises:
            NoEdit: none does.
        """
        names = [name.format(id=pair.id, source=pair.source.stem) for name in NAMES]
        names = [name for name in names if not is_outside(name)]
        found = next((self._folder / name for name in names if (self._folder / name).is_file()), None)
        if found is None:
            raise NoEdit(f"{str(self._folder)!r} has no edit of it; expected one of {', '.join(names)}")
        return EditFiles(source=pair.source, edited=found)


class Made:
    """Edits made by an editor, each once: a video whose name says of what it was made is not made again.

    `key` says which editor it is, and how it is set. Sources larger than `size` has it, or longer than can be judged,
    are edited and judged as copies that are scaled and cut; None leaves all as they are.
    """

    def __init__(self, edit: EditFile, key: str, out: Path, size: IngestConfig | None) -> None:
        self._edit, self._key, self._size = edit, key, size
        self._edits, self._sources = out / "edits", out / "sources"
        for folder in (self._edits, self._sources) if size else (self._edits,):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CommandError(f"--out {str(out)!r} cannot be written: {error}; give another place") from error

    def of(self, pair: EvaluationPair, told: Told = unheard) -> EditFiles:
        """The pair's edit, made where it is not there.

        Raises:
            NoEdit: its source cannot be read, or the editor cannot do it.
            CannotLoad: the editor's weights cannot be had, so that it could do none.
            OSError: the disk is full, read-only or broken.
        """
        source = self._prepared(pair)
        path = self._edits / _name(pair, pair.instruction, self._key, _digest(source))
        if not path.is_file():
            self._make(pair, source, path, told)
        return EditFiles(source=source, edited=path)

    def _prepared(self, pair: EvaluationPair) -> Path:
        if self._size is None:
            return pair.source
        try:
            shown = video.probe(pair.source)
            fitted = fitted_size(shown.width, shown.height, self._size)
            if fitted == (shown.width, shown.height) and shown.frames <= MAX_FRAMES:
                return pair.source
            path = self._sources / _name(pair, f"{fitted} {MAX_FRAMES}", _digest(pair.source))
            if not path.is_file():
                _copy(pair.source, path, fitted)
        except (video.VideoError, ArithmeticError) as error:
            raise NoEdit(str(error)) from error
        return path

    def _make(self, pair: EvaluationPair, source: Path, path: Path, told: Told) -> None:
        try:
            self._edit(source, pair.instruction, path, told)
        except CannotLoad:
            raise  # though it may say that memory is short: no other pair would fare better
        except (video.VideoError, OutOfMemory, ValueError, ArithmeticError) as error:
            raise NoEdit(f"it could not be edited: {error}") from error


def _digest(source: Path) -> str:
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NoEdit(f"{str(source)!r} cannot be read: {error}") from error


def _name(pair: EvaluationPair, *of: str) -> str:
    made_of = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:16]
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', pair.id)[:80]}-{made_of}.mp4"


def _copy(source: Path, path: Path, size: tuple[int, int]) -> None:
    """Scaled and cut, whole or not at all."""
    temporary = path.with_name(f".{path.name}")
    try:
        copy = video.read_window(source, 0.0, None, MAX_FRAMES, *size)
        video.write(temporary, copy.frames, copy.fps)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
