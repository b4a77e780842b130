"""Benchmarks of video editing as they lie in a folder: OpenVE-Bench, EditVerseBench and IVEBench.

Each gives sources and instructions and no edits. Where their names of files and keys were found, docs/evaluation.md
tells.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agent.command import CommandError
from agent.dataset_folder import dataset_folder
from agent.evaluate.pairs import EvaluationPair, Split, broken, is_outside, own_pairs
from agent.judge.pair_list import MAX_WORDS
from agent.plain import plain

Layout = Literal["ditto", "openve", "editverse", "ivebench"]
LISTS: Mapping[Layout, tuple[str, ...]] = {
    "openve": ("benchmark_videos.csv",),
    "editverse": ("test.json", "EditVerseBench.json", "EditVerseBench/test.json", "EditVerseBench/EditVerseBench.json"),
    "ivebench": ("*prompt_short.json", "*prompt_long.json"),
}
SOURCE = "<video1>"
"""Stands in EditVerseBench's words for the source, and is the key of its path."""
WORDS = "<text>"
INPUT = re.compile(r"<\w+>")
"""A key of EditVerseBench's that names something the editor is given."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What a benchmark calls its columns or keys."""

    source: str
    instruction: str
    edit_type: str
    target: str = ""


OPENVE = Keys(source="original_video", instruction="prompt", edit_type="edited_type")
EDITVERSE = Keys(source=SOURCE, instruction=WORDS, edit_type="type", target="target_prompt")
IVEBENCH = Keys(source="src_video_name", instruction="edit_prompt", edit_type="category", target="target_prompt")


def found_layout(folder: Path) -> Layout:
    """Which layout a folder has; that of a dataset of ours where it has no benchmark's list.

    Raises:
        CommandError: it has the lists of several.
    """
    found = [layout for layout in LISTS if _lists(folder, layout)]
    if len(found) > 1:
        raise CommandError(f"{str(folder)!r} has the lists of {' and '.join(found)}; say which: --layout")
    return found[0] if found else "ditto"


def listed(folder: Path, layout: Layout, split: Split) -> list[EvaluationPair]:
    """What the folder asks for; a row that cannot be used says why.

    Raises:
        CommandError: there is no such list, or it cannot be read.
    """
    if layout == "ditto":
        try:
            dataset_folder(folder)
        except CommandError as error:
            names = "; ".join(f"{name}: {' or '.join(LISTS[name])}" for name in LISTS)
            raise CommandError(f"{error}; of a benchmark, one with its list ({names})") from error
        return own_pairs(folder, split)
    lists = _lists(folder, layout)
    if not lists:
        raise CommandError(f"{str(folder)!r} is no folder of {layout}; expected {' or '.join(LISTS[layout])} in it")
    read = {"openve": _openve, "editverse": _editverse, "ivebench": _ivebench}[layout]
    try:
        pairs = [pair for path in lists for pair in read(path)]
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise CommandError(f"{str(folder)!r} cannot be read as {layout}: {plain(str(error))}") from error
    if not pairs:
        raise CommandError(f"{str(lists[0])!r} lists no pair; expected the list of {layout}")
    return pairs


def _lists(folder: Path, layout: Layout) -> list[Path]:
    found = [path for name in LISTS[layout] for path in sorted(folder.glob(name)) if path.is_file()]
    return found if layout == "ivebench" else found[:1]


def _openve(path: Path) -> Iterator[EvaluationPair]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        lacking = [column for column in (OPENVE.source, OPENVE.instruction) if column not in (rows.fieldnames or ())]
        if rows.fieldnames and lacking:
            raise ValueError(f"{path.name} has no column {' and '.join(lacking)}, only {', '.join(rows.fieldnames)}")
        for number, row in enumerate(rows, 1):
            pair = _pair(row, f"row {number}", OPENVE, path.parent)
            yield replace(pair, id=plain(pair.source.stem)) if not pair.problem else pair


def _editverse(path: Path) -> Iterator[EvaluationPair]:
    entries = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(entries, dict):
        raise ValueError(f"{path.name} holds no object; expected one of entries by their number")
    for key, entry in entries.items():
        pair = _pair(entry, key, EDITVERSE, path.parent)
        given = [name for name in entry if INPUT.fullmatch(name)] if isinstance(entry, dict) else []
        others = ", ".join(name for name in given if entry[name] and name not in (SOURCE, WORDS))
        if others and not pair.problem:
            pair = replace(pair, problem=f"it gives {others} beside the words, which an editor by words cannot use")
        yield pair


def _ivebench(path: Path) -> Iterator[EvaluationPair]:
    entries = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(entries, list):
        raise ValueError(f"{path.name} holds no list; expected one of entries")
    subset = path.stem.rpartition("_")[2]
    videos = [one for one in sorted(path.parent.glob(f"*_{subset}")) if one.is_dir()]
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", number) if isinstance(entry, dict) else number
        yield _pair(entry, f"{subset}-{name}", IVEBENCH, *videos, path.parent)


def _pair(entry: object, name: str, keys: Keys, *folders: Path) -> EvaluationPair:
    fields = entry if isinstance(entry, Mapping) else {}
    pair = EvaluationPair(id=plain(name), edit_type=plain(str(fields.get(keys.edit_type) or "unknown")))
    for key in (keys.source, keys.instruction):
        if not isinstance(fields.get(key), str) or not fields[key].strip():
            return replace(pair, problem=f"it has no {key}; expected text")
    instruction = " ".join(fields[keys.instruction].replace(SOURCE, " ").split())
    if not 0 < len(instruction) <= MAX_WORDS:
        return replace(pair, problem=f"its words have {len(instruction)} characters; expected 1 to {MAX_WORDS}")
    source = _video(fields[keys.source].strip(), folders)
    target = fields.get(keys.target)
    if problem := broken(instruction) or (broken(target) if isinstance(target, str) else ""):
        return replace(pair, problem=problem)
    return replace(
        pair,
        source=source,
        instruction=instruction,
        target=" ".join(target.split()) if isinstance(target, str) else "",
        group=str(source),
    )


def _video(name: str, folders: tuple[Path, ...]) -> Path:
    """Where a video lies: as its list says, or by its file's name in the folder or its `videos`; else as it says.

    Never outside the folders: of a name that would lead there only the file's name counts.
    """
    file = Path(name if Path(name).suffix else f"{name}.mp4")
    told: list[Path] = [Path(file.name)] if is_outside(name) else [file, Path(file.name)]
    places = [folder / place for folder in folders for place in [*told, Path("videos", file.name)]]
    return next((place for place in places if place.is_file()), places[0]).absolute()
