"""Files of the dataset folder: linked, appended to and replaced, so that a kill leaves each old or new."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from memory.artifacts import sync_folder


def link(source: Path, target: Path) -> None:
    """Make `target` the same file, or a copy on another file system; one that is there already stays."""
    if target.exists():
        if target.samefile(source) or target.stat().st_size == source.stat().st_size:
            return
        target.unlink()
    temporary = target.with_name(f".{target.name}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, temporary)
    temporary.rename(target)


def append(path: Path, text: str) -> None:
    """Add text to a file, on disk when this returns."""
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, text: str) -> None:
    """Write a file whole."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


class _Line:
    """The one-line file that csv wants to write to."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def csv_line(values: Iterable[str]) -> str:
    """One line of CSV."""
    line = _Line()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.text
