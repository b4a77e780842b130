"""Where the edits that are evaluated come from: the dataset, or anybody's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.command import CommandError
from agent.evaluate_pairs import EvaluationPair

NAMES = ("{id}.mp4", "{id}/generate.mp4", "{source}.mp4", "{source}_edited.mp4")
"""What an edit may be called in a folder: by its pair, as EditVerseBench has results, or by its source's file."""


class NoEdit(Exception):
    """There is no edit of a pair; the message says why."""


@dataclass(frozen=True, kw_only=True)
class EditFiles:
    """A pair as it is judged."""

    source: Path
    edited: Path


class Edits(Protocol):
    """Where edits come from."""

    def of(self, pair: EvaluationPair) -> EditFiles:
        """The files of a pair.

        Raises:
            NoEdit: there is none.
        """
        ...


class OfDataset:
    """The dataset's own edits, which an editor that is trained on it is to reach."""

    def of(self, pair: EvaluationPair) -> EditFiles:
        """The pair's own.

        Raises:
            NoEdit: it has none.
        """
        if pair.edited is None:
            raise NoEdit("a benchmark has no edits of its own; expected --edits")
        return EditFiles(source=pair.source, edited=pair.edited)


class OfFolder:
    """Edits that anybody made, in a folder."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise CommandError(f"--edits {str(folder)!r} is not a folder; give one that holds videos")
        self._folder = folder

    def of(self, pair: EvaluationPair) -> EditFiles:
        """The one that bears the pair's name.

        Raises:
            NoEdit: none does.
        """
        names = [name.format(id=pair.id, source=pair.source.stem) for name in NAMES]
        found = next((self._folder / name for name in names if (self._folder / name).is_file()), None)
        if found is None:
            raise NoEdit(f"{str(self._folder)!r} has no edit of it; expected one of {', '.join(names)}")
        return EditFiles(source=pair.source, edited=found)
