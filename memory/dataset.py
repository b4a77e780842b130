"""The dataset on disk: accepted pairs in shards of 1,000 that `datasets.load_dataset("videofolder")` reads as they are.

A projection of the ledger. A pair's place follows from its ordinal among the accepted, so a shard can be rewritten
alone. Files are hard links to artifacts where the file system allows, copies elsewhere. `reconcile` mends what a kill
left: a torn last line, a pair not yet written, a file that nobody names.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from memory.artifacts import ArtifactStore, sync_folder
from memory.sample import Sample

PAIRS_PER_SHARD = 1000
_CSV_COLUMNS = ("video", "vace_video", "prompt", "vace_reference_image")
_FOLDERS = ("source", "edited", "key_frame_source", "key_frame_edited")


class Record(BaseModel):
    """One line of metadata.jsonl. Every key stands on every line: the loader drops keys that first appear late."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source_file_name: str
    edited_file_name: str
    key_frame_source_path: str
    key_frame_edited_path: str
    key_frame_index: int
    instruction: str
    caption: str
    edit_type: str
    scope: Literal["global", "local"]
    split: Literal["train", "validation", "test"]
    scores: dict[str, float | None]
    attempts: int
    model_seconds: float
    gpu_seconds: float
    clip_uri: str
    clip_sha256: str
    clip_start_seconds: float
    clip_end_seconds: float
    fps: float
    frames: int
    width: int
    height: int
    models: dict[str, str]
    prompts_hash: str
    seed: int
    config_hash: str
    code_version: str
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An accepted sample and its place among the accepted, from 1."""

    ordinal: int
    sample: Sample

    @property
    def shard(self) -> str:
        """The folder it lies in."""
        return f"shard-{(self.ordinal - 1) // PAIRS_PER_SHARD:05d}"


def split_of(clip_sha256: str) -> Literal["train", "validation", "test"]:
    """90 : 5 : 5 by the hash of the source file, so that no source is in two splits."""
    place = int(clip_sha256[:8], 16) % 100
    return "train" if place < 90 else "validation" if place < 95 else "test"


def record_of(sample: Sample, axes: Iterable[str]) -> Record:
    """The line of an accepted sample; `axes` are the keys that `scores` has on every line.

    Raises:
        ValueError: the sample is not a whole accepted one.
    """
    clip, instruction, key_frame = sample.clip, sample.instruction, sample.key_frame
    verdict, made, description = sample.verdict, sample.provenance, sample.description
    if not (clip and instruction and key_frame and verdict and made and description):
        raise ValueError(f"sample {sample.id!r} lacks parts that an accepted one has; its ledger events are not whole")
    scores = {axis: verdict.scores[axis].value if axis in verdict.scores else None for axis in axes}
    return Record(
        id=sample.id,
        source_file_name=f"source/{sample.id}.mp4",
        edited_file_name=f"edited/{sample.id}.mp4",
        key_frame_source_path=f"key_frame_source/{sample.id}.png",
        key_frame_edited_path=f"key_frame_edited/{sample.id}.png",
        key_frame_index=key_frame.index,
        instruction=instruction.text,
        caption=description.caption,
        edit_type=instruction.edit_type,
        scope=instruction.scope,
        split=split_of(clip.sha256),
        scores=scores,
        attempts=sum(sample.attempts.values()),
        model_seconds=round(sample.model_seconds, 3),
        gpu_seconds=round(sample.gpu_seconds, 3),
        clip_uri=clip.uri,
        clip_sha256=clip.sha256,
        clip_start_seconds=clip.start_seconds,
        clip_end_seconds=clip.end_seconds,
        fps=clip.fps,
        frames=clip.frames,
        width=clip.width,
        height=clip.height,
        seed=sample.seed,
        **made.model_dump(),
    )


class DatasetWriter:
    """Writes RUN/dataset. `axes` are the critic's axes, the keys of `scores` on every line."""

    def __init__(self, root: Path, artifacts: ArtifactStore, axes: Iterable[str]) -> None:
        self.root = root
        self._artifacts = artifacts
        self._axes = tuple(axes)

    def add(self, pair: Pair) -> None:
        """Append one accepted pair: files first, then its line. A pair that is there already is left as it is."""
        self._place_files(pair)
        metadata = self.root / pair.shard / "metadata.jsonl"
        if metadata.exists() and f'{{"id":"{pair.sample.id}",'.encode() in metadata.read_bytes():
            return
        _append(metadata, record_of(pair.sample, self._axes).model_dump_json() + "\n")
        rows = self.root / "diffsynth.csv"
        _append(rows, ("" if rows.exists() else _csv_line(_CSV_COLUMNS)) + _csv_line(self._csv_row(pair)))

    def reconcile(self, pairs: Iterable[Pair], card: str) -> int:
        """Make the folder hold just these pairs, by ordinal; returns how many shards were rewritten."""
        self.root.mkdir(parents=True, exist_ok=True)
        rewritten, known = 0, set()
        every: list[Pair] = sorted(pairs, key=lambda pair: pair.ordinal)
        for shard, members in groupby(every, key=lambda pair: pair.shard):
            known.add(shard)
            rewritten += self._reconcile_shard(shard, list(members))
        for folder in self.root.glob("shard-*"):
            if folder.name not in known:
                shutil.rmtree(folder)
        rows = [self._csv_row(pair) for pair in every]
        _replace(self.root / "diffsynth.csv", "".join(map(_csv_line, [_CSV_COLUMNS, *rows])))
        self.write_card(card)
        return rewritten

    def write_card(self, card: str) -> None:
        """Replace the dataset's README.md."""
        _replace(self.root / "README.md", card)

    def _reconcile_shard(self, shard: str, pairs: list[Pair]) -> bool:
        for pair in pairs:
            self._place_files(pair)
        self._drop_orphans(shard, {pair.sample.id for pair in pairs})
        lines = [record_of(pair.sample, self._axes).model_dump_json() + "\n" for pair in pairs]
        path = self.root / shard / "metadata.jsonl"
        if path.exists() and path.read_bytes() == "".join(lines).encode():
            return False
        _replace(path, "".join(lines))
        return True

    def _drop_orphans(self, shard: str, ids: set[str]) -> None:
        for folder in _FOLDERS:
            for path in (self.root / shard / folder).iterdir():
                if path.stem not in ids:
                    path.unlink()

    def _place_files(self, pair: Pair) -> None:
        sample, shard = pair.sample, self.root / pair.shard
        if not (sample.clip and sample.edit and sample.key_frame):
            raise ValueError(f"sample {sample.id!r} is accepted without a clip, a key frame or an edited video")
        references = (sample.clip.video, sample.edit.video, sample.key_frame.source, sample.key_frame.chosen)
        for folder, reference in zip(_FOLDERS, references, strict=True):
            source = self._artifacts.path(reference)
            (shard / folder).mkdir(parents=True, exist_ok=True)
            _link(source, shard / folder / f"{sample.id}{source.suffix}")

    def _csv_row(self, pair: Pair) -> tuple[str, ...]:
        record, shard = record_of(pair.sample, self._axes), pair.shard
        return (
            f"{shard}/{record.edited_file_name}",
            f"{shard}/{record.source_file_name}",
            record.instruction,
            f"{shard}/{record.key_frame_edited_path}",
        )


def read_metadata(root: Path) -> Iterable[dict[str, JsonValue]]:
    """Every line of every shard, in order."""
    for path in sorted(root.glob("shard-*/metadata.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _link(source: Path, target: Path) -> None:
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


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, text: str) -> None:
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


def _csv_line(values: Iterable[str]) -> str:
    line = _Line()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.text
