"""The export: read back by the field's own readers, every field and every byte; whole or not there at all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.campaign import Limits
from agent.export.__main__ import LIBRARIES
from agent.session import Session
from ditto_models import video
from memory.artifacts import ArtifactStore
from memory.dataset import DatasetWriter, Pair, read_metadata
from memory.sample import Event, Sample
from tests.commands import ROOT, call, line_of, problem_of
from tests.fake_run import make_clips, run_fake
from tests.test_dataset import AXES, accepted

TRAIN, VALIDATION, TEST = 0, 92, 97
"""First bytes of a source's hash that fall into each split."""
FORMATS = ("webdataset", "parquet")
MEDIA = ("source", "edited", "key_frame_source", "key_frame_edited")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def sample(number: int, place: int, store: ArtifactStore, scores: float | None = 0.5) -> Sample:
    """An accepted sample with four files of its own, in the split of `place`."""
    videos = []
    for level in (20 + number, 120 + number):
        with store.writing(".mp4") as (path, references):
            video.write(path, np.full((3, 16, 16, 3), level, np.uint8), 25.0)
        videos.append(references[0])
    image, edited = (store.put(f"{kind} {number}".encode(), ".png") for kind in ("before", "after"))
    made = accepted(number, (videos[0], image), caption='"Étude" 🎞, <b>', scope_score=scores)
    assert made.clip
    assert made.key_frame
    assert made.edit
    return made.model_copy(
        update={
            "clip": made.clip.model_copy(update={"sha256": f"{place:08x}" + "0" * 56}),
            "edit": made.edit.model_copy(update={"video": videos[1]}),
            "key_frame": made.key_frame.model_copy(update={"chosen": edited}),
        }
    )


def dataset_of(samples: list[Sample], run: Path, store: ArtifactStore) -> Path:
    writer = DatasetWriter(run / "dataset", store, AXES)
    writer.reconcile([Pair(ordinal=place, sample=one) for place, one in enumerate(samples, 1)], "card")
    return run


@pytest.fixture
def run(tmp_path: Path, store: ArtifactStore) -> Path:
    """Five pairs of train, the third and fourth with a null score, and one of test; none of validation."""
    samples = [sample(number, TRAIN, store, None if number in (3, 4) else 0.5) for number in range(1, 6)]
    return dataset_of([*samples, sample(6, TEST, store)], tmp_path / "run", store)


def export(run: Path, out: Path, *options: object) -> dict[str, Any]:
    done = call("agent.export", run, "--out", out, "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    index: dict[str, Any] = json.loads(done.stdout)
    assert index == json.loads((out / "index.json").read_text())
    assert {path.name for path in out.iterdir()} == {"index.json", *(shard["file"] for shard in index["shards"])}
    return index


def originals(run: Path, split: str) -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    """The metadata and the files of each pair of a split, by id."""
    folder = run / "dataset" / "shard-00000"
    found = {}
    for line in read_metadata(run / "dataset"):
        if line["split"] == split:
            names = [path for kind in MEDIA for path in folder.glob(f"{kind}/{line['id']}.*")]
            found[str(line["id"])] = (dict(line), {path.parent.name: path.read_bytes() for path in names})
    return found


def from_webdataset(out: Path, split: str) -> Iterator[tuple[dict[str, Any], dict[str, bytes]]]:
    import webdataset

    for found in webdataset.WebDataset([str(path) for path in sorted(out.glob(f"{split}-*.tar"))], shardshuffle=False):
        record = json.loads(found["json"])
        assert record["id"] == found["__key__"]
        suffixes = {"source": "mp4", "edited": "mp4", "key_frame_source": "png", "key_frame_edited": "png"}
        yield record, {kind: found[f"{kind}.{suffix}"] for kind, suffix in suffixes.items()}


def from_parquet(out: Path, split: str) -> Iterator[tuple[dict[str, Any], dict[str, bytes]]]:
    import datasets

    loaded = datasets.load_dataset("parquet", data_dir=str(out), cache_dir=str(out.parent / "cache"))[split]
    for name, kind in zip(MEDIA, (datasets.Video, datasets.Video, datasets.Image, datasets.Image), strict=True):
        assert isinstance(loaded.features[name], kind)
        loaded = loaded.cast_column(name, kind(decode=False))
    for row in loaded:
        yield row, {name: row.pop(name)["bytes"] for name in MEDIA}


READERS = {"webdataset": from_webdataset, "parquet": from_parquet}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_the_fields_reader_gets_every_field_and_every_byte(run: Path, tmp_path: Path, form: str) -> None:
    index = export(run, tmp_path / "out", "--format", form, "--shard-size", 2)
    assert index["splits"] == {"train": 5, "test": 1}
    assert [len(shard["pairs"]) for shard in index["shards"]] == [2, 2, 1, 1]
    for split in ("train", "test"):
        read = list(READERS[form](tmp_path / "out", split))
        assert {record["id"]: (record, files) for record, files in read} == originals(run, split)
        assert [record["id"] for record, _ in read] == [
            pair for shard in index["shards"] if shard["split"] == split for pair in shard["pairs"]
        ]
    assert originals(run, "train")["000004"][0]["scores"]["scope_confined"] is None


@pytest.mark.slow
def test_an_axis_that_is_null_in_a_whole_shard_loads(tmp_path: Path, store: ArtifactStore) -> None:
    samples = [sample(number, TRAIN, store, None if number < 3 else 0.25) for number in range(1, 5)]
    run = dataset_of(samples, tmp_path / "run", store)
    export(run, tmp_path / "out", "--format", "parquet", "--shard-size", 2)
    scores = [record["scores"]["scope_confined"] for record, _ in from_parquet(tmp_path / "out", "train")]
    assert scores == [None, None, 0.25, 0.25]


def test_an_axis_that_appears_late_is_null_before(tmp_path: Path, store: ArtifactStore) -> None:
    import pyarrow.parquet

    run = dataset_of([sample(1, TRAIN, store), sample(2, TRAIN, store)], tmp_path / "run", store)
    metadata = run / "dataset" / "shard-00000" / "metadata.jsonl"
    first, second = (json.loads(line) for line in metadata.read_text().splitlines())
    second["scores"]["grain"], second["models"] = 0.5, {"judge": "j"}
    metadata.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    export(run, tmp_path / "out", "--format", "parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "train-00000-of-00001.parquet").to_pylist()
    assert [row["scores"]["grain"] for row in rows] == [None, 0.5]
    assert [row["models"] for row in rows] == [{"editor": "e", "judge": None}, {"editor": None, "judge": "j"}]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_pairs_give_the_same_bytes(run: Path, tmp_path: Path, form: str) -> None:
    first, second = (export(run, tmp_path / name, "--format", form) for name in ("first", "second"))
    assert first == second
    assert len({shard["sha256"] for shard in first["shards"]}) == 2
    assert first["config_hashes"] == ["c"]


def test_one_split_alone_and_shards_by_size(run: Path, tmp_path: Path) -> None:
    index = export(run, tmp_path / "test", "--format", "webdataset", "--split", "test")
    assert [(shard["file"], shard["pairs"]) for shard in index["shards"]] == [("test-000000.tar", ["000006"])]
    error = problem_of("agent.export", run, "--format", "parquet", "--out", tmp_path / "v", "--split", "validation")
    assert "has nothing to export: it has 5 train, 1 test" in line_of(error)
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_shards_hold_at_most_so_much_but_always_one_pair(tmp_path: Path, store: ArtifactStore, form: str) -> None:
    samples = [sample(number, TRAIN, store) for number in range(1, 4)]
    big = store.put(os.urandom(1_100_000), ".png")
    assert samples[1].key_frame
    samples[1] = samples[1].model_copy(
        update={"key_frame": samples[1].key_frame.model_copy(update={"chosen": big, "source": big})}
    )
    run = dataset_of(samples, tmp_path / "run", store)
    index = export(run, tmp_path / "out", "--format", form, "--max-shard-mb", 1)
    assert [shard["pairs"] for shard in index["shards"]] == [["000001"], ["000002"], ["000003"]]


@pytest.mark.parametrize("form", FORMATS)
def test_a_line_that_is_being_written_is_not_exported(run: Path, tmp_path: Path, form: str) -> None:
    metadata = run / "dataset" / "shard-00000" / "metadata.jsonl"
    metadata.write_bytes(metadata.read_bytes()[:-30])
    done = call("agent.export", run, "--format", form, "--out", tmp_path / "out")
    assert "5 pairs in" in done.stdout
    assert "was being written" in done.stdout


def refusal(run: Path, out: Path, form: str = "parquet") -> str:
    before = {path: path.stat().st_mtime_ns for path in out.parent.iterdir()}
    done = call("agent.export", run, "--format", form, "--out", out)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert {path: path.stat().st_mtime_ns for path in out.parent.iterdir()} == before, "something was left"
    return line_of(done.stderr)


def test_what_cannot_be_exported_is_told_in_a_line_and_leaves_nothing(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "full").mkdir(parents=True)
    (place / "full" / "note").write_text("mine")
    assert "not an empty folder" in refusal(run, place / "full")
    assert "is neither a run nor its dataset" in refusal(tmp_path / "nowhere", place / "out")
    edited = run / "dataset" / "shard-00000" / "edited" / "000003.mp4"
    edited.unlink()
    for form in FORMATS:
        assert "pair '000003' left the dataset meanwhile; export again" in refusal(run, place / "out", form)
    (run / "dataset" / "shard-00000" / "metadata.jsonl").write_text("")
    assert "it has no whole pair" in refusal(run, place / "out")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"edited_file_name": "../../secret.mp4"}, "leads out of the dataset"),
        ({"key_frame_source_path": "/etc/passwd"}, "leads out of the dataset"),
        ({"id": "a/b.c"}, "is no plain name"),
        ({"fps": "fast"}, "line 1 is no pair's metadata: fps"),
    ],
)
def test_a_dataset_from_elsewhere_cannot_name_files_outside_it(
    run: Path, tmp_path: Path, change: dict[str, str], told: str
) -> None:
    (tmp_path / "place").mkdir()
    line = next(iter(read_metadata(run / "dataset"))) | change
    (run / "dataset" / "shard-00000" / "metadata.jsonl").write_text(f"{json.dumps(line)}\n")
    assert told in refusal(run, tmp_path / "place" / "out")


def test_a_run_without_accepted_pairs_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ledger.sqlite").touch()
    assert "has no accepted pair yet" in refusal(tmp_path / "run", tmp_path / "out")


def test_a_library_that_is_not_installed_is_named_with_what_brings_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIBRARIES, "parquet", "no_such_library")
    told = refusal(run, tmp_path / "out")
    assert "needs the library 'no_such_library'" in told
    assert "'.[export]'" in told


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_one_line_and_leaves_nothing(run: Path, tmp_path: Path, form: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = (
        "import resource, sys\n"
        "from agent.export import __main__ as export\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        f"sys.exit(export.main([{str(run)!r}, '--format', {form!r}, '--out', {str(place / 'out')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "free some space or give another" in line_of(done.stderr)
    assert list(place.iterdir()) == []


def test_a_pair_taken_out_of_the_run_is_out_of_the_next_export(run: Path, tmp_path: Path, store: ArtifactStore) -> None:
    dataset_of([sample(number, TRAIN, store) for number in (1, 3)], run, store)
    index = export(run, tmp_path / "out", "--format", "webdataset")
    assert [shard["pairs"] for shard in index["shards"]] == [["000001", "000003"]]


def test_a_run_is_exported_while_its_owner_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    seen: list[tuple[set[str], set[object]]] = []

    def begin(session: Session) -> None:
        def export_now(event: Event, sample: Sample) -> None:
            if event.tool == "sample_clip" and (ids := [line["id"] for line in read_metadata(run / "dataset")]):
                index = export(run, tmp_path / f"out{len(seen)}", "--format", "webdataset")
                seen.append(({pair for shard in index["shards"] for pair in shard["pairs"]}, set(ids)))

        session.listeners.append(export_now)

    clips = make_clips(tmp_path / "clips")
    outcome, _ = run_fake(run, clips, target=4, limits=Limits(target=4, concurrency=1), prepare=begin)
    assert outcome == "target met"
    assert seen
    assert all(exported == known for exported, known in seen)
