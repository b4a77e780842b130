"""Shards that load beside each other: each has a number on every axis that another can spare one of."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.artifacts import ArtifactStore
from memory.dataset import DatasetWriter, Pair, read_metadata
from memory.sample import Sample
from memory.shard_layout import Place, Shard, evened_out
from tests.fields_loader import load_folder
from tests.test_dataset import AXES, accepted, media, store

__all__ = ["media", "store"]

KINDS = st.sets(st.sampled_from("abc")).map(frozenset)


def shards_of(kinds: list[frozenset[str]], size: int) -> list[Shard]:
    places = [Place(id=str(number), judged=kind) for number, kind in enumerate(kinds)]
    return [Shard(places[start : start + size]) for start in range(0, len(places), size)]


@given(st.lists(KINDS, max_size=30), st.integers(1, 8))
def test_evening_out_loses_no_pair_and_no_number_and_is_repeatable(kinds: list[frozenset[str]], size: int) -> None:
    shards, again = shards_of(kinds, size), shards_of(kinds, size)
    before = [(len(shard.places), shard.judged) for shard in shards]
    evened_out(shards)
    evened_out(again)
    assert [shard.places for shard in shards] == [shard.places for shard in again]
    assert sorted(int(place.id) for shard in shards for place in shard.places) == list(range(len(kinds)))
    for shard, (length, judged) in zip(shards, before, strict=True):
        assert len(shard.places) == length
        assert judged <= shard.judged == {axis for place in shard.places for axis in place.judged}


@given(st.lists(KINDS, min_size=1, max_size=7), st.integers(1, 4))
def test_where_whole_pairs_abound_every_shard_gets_all_axes(late: list[frozenset[str]], size: int) -> None:
    shards = shards_of([frozenset("abc")] * 40 + late, size * 8)
    evened_out(shards)
    assert {shard.judged for shard in shards} == {frozenset("abc")}


def test_shards_that_agree_stay_as_they_are() -> None:
    for kinds in ([frozenset("a")] * 9, [frozenset[str]()] * 9, [frozenset("ab"), frozenset("a")] * 5):
        shards = shards_of(kinds, 4)
        evened_out(shards)
        assert [place.id for shard in shards for place in shard.places] == [str(number) for number in range(len(kinds))]


def pairs(scores: list[float | None], files: tuple[str, str]) -> list[Pair]:
    samples: list[Sample] = [accepted(number, files, scope_score=score) for number, score in enumerate(scores, 1)]
    return [Pair(ordinal=number, sample=sample) for number, sample in enumerate(samples, 1)]


LATE_NULLS = [0.75, 0.5, 0.25, None, None, None]
EARLY_NULLS = LATE_NULLS[::-1]


@pytest.mark.slow
@pytest.mark.parametrize("scores", [LATE_NULLS, EARLY_NULLS])
@pytest.mark.parametrize("live", [True, False])
def test_the_fields_loader_reads_shards_of_which_one_was_not_judged_on_an_axis(
    tmp_path: Path,
    store: ArtifactStore,
    media: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    scores: list[float | None],
    live: bool,
) -> None:
    import pyarrow.json

    monkeypatch.setattr("memory.dataset.PAIRS_PER_SHARD", 3)
    writer, every = DatasetWriter(tmp_path / "dataset", store, AXES), pairs(scores, media)
    if live:
        for pair in every:
            writer.add(pair)
    else:
        writer.reconcile(every, "card")
    types = {pyarrow.json.read_json(path).schema.field("scores").type for path in writer.root.glob("*/metadata.jsonl")}
    assert len(list(writer.root.glob("shard-*"))) == 2
    assert len(types) == 1, "whichever shard the loader asks, it learns the same types"
    found = {row["id"]: row for row in load_folder(writer.root, tmp_path / "cache")}
    assert {number: found[f"{number:06d}"]["scores"]["scope_confined"] for number in range(1, 7)} == dict(
        enumerate(scores, 1)
    )
    assert all(Path(row[half]["path"]).is_file() for row in found.values() for half in ("source", "edited"))


def test_pairs_that_change_places_take_their_files_and_rows_along(
    tmp_path: Path, store: ArtifactStore, media: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.dataset.PAIRS_PER_SHARD", 3)
    writer, every = DatasetWriter(tmp_path / "dataset", store, AXES), pairs(LATE_NULLS, media)
    for pair in every:
        writer.add(pair)
    assert len(list(read_metadata(writer.root))) == 6
    for shard in writer.root.glob("shard-*"):
        ids = {line.split('"')[3] for line in (shard / "metadata.jsonl").read_text().splitlines()}
        assert len(ids) == 3
        for folder in ("source", "edited", "key_frame_source", "key_frame_edited"):
            assert {path.stem for path in (shard / folder).iterdir()} == ids
    rows = list(csv.DictReader((writer.root / "diffsynth.csv").open(newline="")))
    assert len(rows) == 6
    assert all((writer.root / row[column]).is_file() for row in rows for column in ("video", "vace_reference_image"))
    writer.reconcile(every, "card")
    assert writer.reconcile(every, "card") == 0


class Broken(BaseException):
    """As a kill: nothing is caught, nothing is cleaned up."""


class Breaking:
    """Lets a number of steps on the disk happen, and none after them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
        self.left = steps
        for owner, name in ((os, "link"), (Path, "unlink"), (Path, "rename"), (Path, "open")):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            if not self.left:
                raise Broken
            self.left -= 1
            return step(*args, **kwargs)

        return counting


@pytest.mark.parametrize("begin", range(0, 56, 4))
def test_a_kill_at_any_step_of_an_exchange_loses_and_doubles_nothing(
    tmp_path: Path, store: ArtifactStore, media: tuple[str, str], monkeypatch: pytest.MonkeyPatch, begin: int
) -> None:
    monkeypatch.setattr("memory.dataset.PAIRS_PER_SHARD", 3)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    every = pairs(LATE_NULLS[:4], media)
    for steps in range(begin, begin + 4):
        root = tmp_path / f"dataset-{steps}"
        writer = DatasetWriter(root, store, AXES)
        for pair in every[:3]:
            writer.add(pair)
        with monkeypatch.context() as patch:
            Breaking(patch, steps)
            with pytest.raises(Broken):
                writer.add(every[3])
        killed = [str(line["id"]) for line in read_metadata(root)]
        assert {pair.sample.id for pair in every[:3]} <= set(killed)
        mended = DatasetWriter(root, store, AXES)
        mended.reconcile(every, "card")
        for shard in root.glob("shard-*"):
            ids = {line.split('"')[3] for line in (shard / "metadata.jsonl").read_text().splitlines()}
            assert {path.stem for path in shard.glob("*/*")} == ids
        assert sorted(str(line["id"]) for line in read_metadata(root)) == [pair.sample.id for pair in every]
        assert mended.reconcile(every, "card") == 0


def test_where_nothing_can_be_spared_no_shard_is_read_again_for_each_pair(
    tmp_path: Path, store: ArtifactStore, media: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.dataset.PAIRS_PER_SHARD", 3)
    writer = DatasetWriter(tmp_path / "dataset", store, AXES)
    *first, last = pairs([0.5, None, None, None, None, 0.5], media)
    for name in ("_lines_by_id", "_read"):
        monkeypatch.setattr(f"memory.dataset.{name}", lambda path: pytest.fail(f"{path} is read again"))
    for pair in first:
        writer.add(pair)
    writer.add(last)
    assert len(writer.root.joinpath("shard-00001/metadata.jsonl").read_text().splitlines()) == 3
