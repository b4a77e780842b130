"""Many pairs by name: our own dataset, or a CSV or JSONL file from anywhere, one row at a time.

A row that cannot be used is a row with a problem, never an end of the list.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TextIO

from agent.command import CommandError
from agent.dataset_folder import dataset_folder
from agent.judge.pair_files import PairFiles
from agent.plain import plain

COLUMNS = {
    "source": ("source", "source_path", "source_video", "source_file_name", "vace_video"),
    "edited": ("edited", "edited_path", "edited_video", "edited_file_name", "video"),
    "instruction": ("instruction", "prompt"),
    "key_frame": ("key_frame", "key_frame_path", "key_frame_edited_path"),
    "key_frame_index": ("key_frame_index",),
    "id": ("id",),
}
"""What a column or key may be called, in any case. DiffSynth's reference image is not among them: it has no place."""
REQUIRED = ("source", "edited", "instruction")
SEPARATORS = ",;\t"
"""What spreadsheets put between columns; the line of headers tells which."""
MAX_LINE = 1_000_000
"""Characters: a longer line is no row of words and paths, and should not fill the memory."""
MAX_WORDS = 2_000

Fields = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class ListedPair:
    """One row: its words as they stand there, made fit to be shown, and either its files or what is wrong with it."""

    id: str
    source: str = ""
    edited: str = ""
    instruction: str = ""
    files: PairFiles | None = None
    problem: str = ""


class RowError(ValueError):
    """A row that names no pair; the message says why."""


def list_pairs(path: Path) -> Iterator[ListedPair]:
    """The pairs of a RUN, of its dataset, or of a CSV or JSONL file; relative paths start at the file's folder.

    Raises:
        CommandError: there is no such list, or a CSV file lacks a column.
    """
    if path.is_dir():
        for metadata in sorted(dataset_folder(path).glob("shard-*/metadata.jsonl")):
            yield from _rows_of_jsonl(metadata, written_now=True)
        return
    readers = {".csv": _rows_of_csv, ".jsonl": _rows_of_jsonl, ".ndjson": _rows_of_jsonl}
    if path.suffix.lower() not in readers or not path.is_file():
        raise CommandError(
            f"--dataset {str(path)!r} is no list of pairs: expected a run, its dataset, or a .csv or .jsonl file with "
            f"{', '.join(REQUIRED)}"
        )
    yield from readers[path.suffix.lower()](path)


def _rows_of_csv(path: Path) -> Iterator[ListedPair]:
    with _opened(path) as file:
        lines = _lines(file)
        headers = next(lines, "")
        rows = csv.reader(chain([headers], lines), delimiter=_separator(headers))
        try:
            header = [name.strip().lower() for name in next(rows, [])]
        except csv.Error as error:
            raise CommandError(f"--dataset {str(path)!r} is not CSV: {error}; expected a line of headers") from error
        lacking = [column for column in REQUIRED if not set(COLUMNS[column]) & set(header)]
        if lacking:
            accepted = "; ".join(f"{column}: {', '.join(COLUMNS[column])}" for column in lacking)
            raise CommandError(f"--dataset {str(path)!r} has no column for {', '.join(lacking)}; expected ({accepted})")
        number = 0
        while True:
            number += 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield ListedPair(id=f"row {number}", problem=f"row {number} is not CSV: {error}")
                continue
            if row is None:
                return
            if any(row):
                yield _listed(dict(zip(header, row, strict=False)), number, path.parent)


def _separator(headers: str) -> str:
    """The separator by which most of the needed columns are found."""

    def num_found(separator: str) -> int:
        names = {name.strip(' "\r\n').lower() for name in headers.split(separator)}
        return sum(bool(names & set(COLUMNS[column])) for column in REQUIRED)

    return max(SEPARATORS, key=num_found)


def _rows_of_jsonl(path: Path, written_now: bool = False) -> Iterator[ListedPair]:
    with _opened(path) as file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip() or (written_now and not line.endswith("\n")):  # a run is writing its last line
                continue
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                fields = None
            if isinstance(fields, dict):
                yield _listed({name.lower(): value for name, value in fields.items()}, number, path.parent)
            else:
                yield ListedPair(id=f"row {number}", problem=f"row {number} is no JSON object")


def _opened(path: Path) -> TextIO:
    try:
        with path.open("rb") as file:
            wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if wide:
            return path.open(encoding="utf-16", errors="replace", newline="")
        # Bytes that are no text come back as the same bytes where they name a file.
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise CommandError(f"--dataset {str(path)!r} cannot be read: {error}") from error


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE):
        yield line
        while len(line) == MAX_LINE and not line.endswith("\n"):
            line = file.readline(MAX_LINE)


def _listed(fields: Fields, number: int, folder: Path) -> ListedPair:
    found = {column: _first(fields, names) for column, names in COLUMNS.items()}
    source, edited, instruction = (_shown(found[column]) for column in REQUIRED)
    name = _shown(found["id"] or f"row {number}")
    row = ListedPair(id=name, source=source, edited=edited, instruction=instruction)
    try:
        return replace(row, files=_files(found, folder))
    except RowError as error:
        return replace(row, problem=str(error))


def _first(fields: Fields, names: tuple[str, ...]) -> object:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def _shown(value: object) -> str:
    text = "" if value is None else str(value)
    return plain(text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}...")


def _files(found: Fields, folder: Path) -> PairFiles:
    source, edited, instruction = (_text(found, column) for column in REQUIRED)
    if not instruction.strip():
        raise RowError("its instruction is empty; expected what was asked for")
    if len(instruction) > MAX_WORDS:
        raise RowError(f"its instruction has {len(instruction)} characters; expected at most {MAX_WORDS}")
    key_frame = _text(found, "key_frame") if found["key_frame"] is not None else None
    base = folder.absolute()
    return PairFiles(
        source=base / source,
        edited=base / edited,
        instruction=instruction,
        key_frame=None if key_frame is None else base / key_frame,
        key_frame_index=_index(found["key_frame_index"]),
    )


def _text(found: Fields, column: str) -> str:
    value = found[column]
    if value is None:
        raise RowError(f"it has no {column}; expected one of {', '.join(COLUMNS[column])}")
    if not isinstance(value, str):
        raise RowError(f"its {column} is {plain(repr(value))[:80]}; expected text")
    return value


def _index(value: object) -> int | None:
    if value is None:
        return None
    # A column with gaps comes out of a table of numbers as decimals: 24.0.
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.0+)?", value.strip()):
        return int(value.strip().partition(".")[0])
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, int | float) and whole and not isinstance(value, bool):
        return int(value)
    raise RowError(f"its key_frame_index is {plain(repr(value))[:80]}; expected a whole number")
