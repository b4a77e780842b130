"""The pairs that an evaluation is over: those of our own dataset's split, or what a benchmark asks an editor for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.command import CommandError
from agent.dataset_folder import dataset_folder
from agent.plain import plain

Split = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True, kw_only=True)
class EvaluationPair:
    """A source and what is asked of it. Of a row that cannot be used only `id`, `problem` and what is known."""

    id: str
    source: Path = Path()
    instruction: str = ""
    edit_type: str = "unknown"
    edited: Path | None = None
    """The dataset's own edit; None of a benchmark, which has none."""
    target: str = ""
    """What the edited video shows, where the list says so."""
    scope: Literal["global", "local"] = "global"
    group: str = ""
    """Pairs of one source file share it: they are no independent trials."""
    problem: str = ""


def own_pairs(path: Path, split: Split) -> list[EvaluationPair]:
    """The pairs of a split of a RUN or its dataset, in order.

    Raises:
        CommandError: there is no such dataset, or the split is empty.
    """
    folder = dataset_folder(path)
    found: list[EvaluationPair] = []
    splits: Counter[str] = Counter()
    for metadata in sorted(folder.glob("shard-*/metadata.jsonl")):
        for number, fields in _lines(metadata):
            name = str(fields.get("split", "unknown"))
            splits[name] += 1
            if split in ("all", name) or name == "unknown":
                found.append(_own(fields, metadata.parent.absolute(), f"{metadata.parent.name} line {number}"))
    if not found:
        has = ", ".join(f"{name} {count}" for name, count in splits.most_common()) or "no pair at all"
        raise CommandError(f"{str(path)!r} has no pair in split {split!r} (it has {has}); give another --split")
    return found


def _lines(metadata: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Lines by number; one that is no JSON object is empty, one that a run is just writing is left out."""
    with metadata.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n") or not line.strip():
                continue
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                fields = None
            yield number, fields if isinstance(fields, dict) else {}


def _own(fields: dict[str, object], shard: Path, place: str) -> EvaluationPair:
    names = ("id", "source_file_name", "edited_file_name", "instruction", "edit_type")
    lacking = [name for name in names if not isinstance(fields.get(name), str)]
    name = plain(str(fields.get("id", place)))
    if lacking:
        return EvaluationPair(id=name, problem=f"its line has no {', '.join(lacking)}")
    words = str(fields["instruction"])
    outside = [one for one in (str(fields[key]) for key in names[1:3]) if is_outside(one)]
    if problem := f"{outside[0]!r} lies outside its shard" if outside else broken(words):
        return EvaluationPair(id=name, problem=problem)
    return EvaluationPair(
        id=name,
        source=shard / str(fields["source_file_name"]),
        edited=shard / str(fields["edited_file_name"]),
        instruction=words,
        edit_type=plain(str(fields["edit_type"])),
        scope="local" if fields.get("scope") == "local" else "global",
        group=str(fields.get("clip_sha256", fields["source_file_name"])),
    )


def is_outside(name: str) -> bool:
    """Whether a file's name in a list would lead out of the list's folder: a list is data, and may be anybody's."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def broken(words: str) -> str:
    """What is wrong with words that no model can read; empty where they are text."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return f"its words hold half a character: {words[:60]!r}; expected text"
    return ""


def at_most(pairs: Iterable[EvaluationPair], most: int | None) -> list[EvaluationPair]:
    """So many of them in their order, drawn by the hash of their ids: the same few every time, of all shards."""
    pairs = list(pairs)
    if most is None or most >= len(pairs):
        return pairs
    drawn = sorted(range(len(pairs)), key=lambda place: hashlib.sha256(pairs[place].id.encode()).digest())[:most]
    return [pairs[place] for place in sorted(drawn)]
