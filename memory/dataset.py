"""The dataset on disk: accepted pairs in shards of 1,000 that `datasets.load_dataset("videofolder")` reads as they are.

A projection of the ledger. A pair's place follows from its ordinal among the accepted, so a shard can be rewritten
alone; a few change places so that all shards load beside each other (shard_layout.py). Files are hard links to
artifacts where the file system allows, copies elsewhere. `reconcile` mends what a kill left: a torn last line, a pair
not yet written, a file that nobody names.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from memory.artifacts import ArtifactStore
from memory.dataset_files import append, csv_line, link, replace
from memory.sample import Sample, Verdict
from memory.shard_layout import Place, Shard, even_out, evened_out

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
        """The folder it lies in, unless it changed places."""
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
        scores=scores_of(verdict, axes),
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


def scores_of(verdict: Verdict, axes: Iterable[str]) -> dict[str, float | None]:
    """A value or null for each of the axes."""
    return {axis: verdict.scores[axis].value if axis in verdict.scores else None for axis in axes}


class DatasetWriter:
    """Writes RUN/dataset. `axes` are the critic's axes, the keys of `scores` on every line."""

    def __init__(self, root: Path, artifacts: ArtifactStore, axes: Iterable[str]) -> None:
        self.root = root
        self._artifacts = artifacts
        self._axes = tuple(axes)
        self._kinds: dict[frozenset[str], frozenset[str]] = {}
        self._shards: dict[str, Shard] = {}
        """Kept, since to read two shards again for each pair takes a tenth of a second."""

    def add(self, pair: Pair) -> None:
        """Append one accepted pair: files first, then its line. A pair that is there already is left as it is."""
        if any(_has(path, pair.sample.id) for path in (self.root / pair.shard).glob("metadata.jsonl")):
            return
        self._place_files(pair, pair.shard)
        record = record_of(pair.sample, self._axes)
        append(self.root / pair.shard / "metadata.jsonl", record.model_dump_json() + "\n")
        rows = self.root / "diffsynth.csv"
        append(rows, ("" if rows.exists() else csv_line(_CSV_COLUMNS)) + csv_line(_csv_row(record, pair.shard)))
        self._shards.setdefault(pair.shard, Shard(())).append(self._place(pair.sample))
        self._even_out(pair.shard)

    def reconcile(self, pairs: Iterable[Pair], card: str) -> int:
        """Make the folder hold just these pairs, by ordinal; returns how many shards were rewritten."""
        self.root.mkdir(parents=True, exist_ok=True)
        every = {pair.sample.id: pair for pair in sorted(pairs, key=lambda pair: pair.ordinal)}
        shards = self._laid_out(every.values())
        placed = {name: [every[place.id] for place in shard.places] for name, shard in shards.items()}
        rewritten = sum(self._reconcile_shard(shard, members) for shard, members in placed.items())
        for folder in self.root.glob("shard-*"):
            if folder.name not in placed:
                shutil.rmtree(folder)
        self._write_rows(
            _csv_row(record_of(pair.sample, self._axes), shard) for shard, members in placed.items() for pair in members
        )
        self.write_card(card)
        self._shards = shards
        return rewritten

    def write_card(self, card: str) -> None:
        """Replace the dataset's README.md."""
        replace(self.root / "README.md", card)

    def _laid_out(self, pairs: Iterable[Pair]) -> dict[str, Shard]:
        places: dict[str, list[Place]] = {}
        for pair in pairs:
            places.setdefault(pair.shard, []).append(self._place(pair.sample))
        shards = {name: Shard(members) for name, members in places.items()}
        evened_out(list(shards.values()))
        return shards

    def _place(self, sample: Sample) -> Place:
        scores = scores_of(sample.verdict, self._axes) if sample.verdict else {}
        judged = frozenset(axis for axis, value in scores.items() if value is not None)
        return Place(id=sample.id, judged=self._kinds.setdefault(judged, judged))  # one for all pairs that share it

    def _even_out(self, name: str) -> None:
        """Let pairs change places between this shard and others that have numbers on other axes, the nearest first."""
        shard = self._shards[name]
        for other in sorted(self._shards, reverse=True):
            rich = self._shards[other]
            if rich.judged != shard.judged and even_out(shard, rich) + even_out(rich, shard):
                self._write_exchanged(name, other)

    def _write_exchanged(self, *names: str) -> None:
        """Bring two shards on disk to what they are now: both have all files, then each its lines, then their own."""
        lines = {name: _lines_by_id(self.root / name / "metadata.jsonl") for name in names}
        every = {sample_id: line for found in lines.values() for sample_id, line in found.items()}
        for name, source in zip(names, names[::-1], strict=True):
            self._move_files(source, name, {place.id for place in self._shards[name].places} - lines[name].keys())
        for name in names:
            text = "".join(every[place.id] for place in self._shards[name].places)
            replace(self.root / name / "metadata.jsonl", text)
        for name in names:
            self._drop_orphans(name, {place.id for place in self._shards[name].places})
        self._write_rows(_csv_row(Record.model_validate(line), shard) for shard, line in _read(self.root))

    def _move_files(self, source: str, target: str, ids: Iterable[str]) -> None:
        """Link a pair's files into another shard; where they were they become orphans."""
        for sample_id in ids:
            for folder in _FOLDERS:
                [file] = (self.root / source / folder).glob(f"{sample_id}.*")
                link(file, self.root / target / folder / file.name)

    def _write_rows(self, rows: Iterable[tuple[str, ...]]) -> None:
        replace(self.root / "diffsynth.csv", "".join(map(csv_line, [_CSV_COLUMNS, *rows])))

    def _reconcile_shard(self, shard: str, pairs: list[Pair]) -> bool:
        for pair in pairs:
            self._place_files(pair, shard)
        self._drop_orphans(shard, {pair.sample.id for pair in pairs})
        lines = [record_of(pair.sample, self._axes).model_dump_json() + "\n" for pair in pairs]
        path = self.root / shard / "metadata.jsonl"
        if path.exists() and path.read_bytes() == "".join(lines).encode():
            return False
        replace(path, "".join(lines))
        return True

    def _drop_orphans(self, shard: str, ids: set[str]) -> None:
        for folder in _FOLDERS:
            for path in (self.root / shard / folder).iterdir():
                if path.stem not in ids:
                    path.unlink()

    def _place_files(self, pair: Pair, name: str) -> None:
        sample, shard = pair.sample, self.root / name
        if not (sample.clip and sample.edit and sample.key_frame):
            raise ValueError(f"sample {sample.id!r} is accepted without a clip, a key frame or an edited video")
        references = (sample.clip.video, sample.edit.video, sample.key_frame.source, sample.key_frame.chosen)
        for folder, reference in zip(_FOLDERS, references, strict=True):
            source = self._artifacts.path(reference)
            (shard / folder).mkdir(parents=True, exist_ok=True)
            link(source, shard / folder / f"{sample.id}{source.suffix}")


def read_metadata(root: Path) -> Iterable[dict[str, JsonValue]]:
    """Every line of every shard, in order."""
    return (line for _, line in _read(root))


def _read(root: Path) -> Iterable[tuple[str, dict[str, JsonValue]]]:
    for path in sorted(root.glob("shard-*/metadata.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from ((path.parent.name, json.loads(line)) for line in lines)


def _lines_by_id(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as lines:
        return {json.loads(line)["id"]: line for line in lines}


def _has(metadata: Path, sample_id: str) -> bool:
    return f'{{"id":"{sample_id}",'.encode() in metadata.read_bytes()


def _csv_row(record: Record, shard: str) -> tuple[str, ...]:
    return (
        f"{shard}/{record.edited_file_name}",
        f"{shard}/{record.source_file_name}",
        record.instruction,
        f"{shard}/{record.key_frame_edited_path}",
    )
