"""The dataset folder: read by the field's loader unchanged, mended after a kill, one shard rewritten at a time."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ditto_models import video
from memory.artifacts import ArtifactStore
from memory.dataset import PAIRS_PER_SHARD, DatasetWriter, Pair, read_metadata, record_of, split_of
from memory.sample import (
    AxisVerdict,
    Clip,
    Description,
    Edit,
    Instruction,
    KeyFrame,
    Provenance,
    Sample,
    Verdict,
)
from tests.fields_loader import load_folder

AXES = ("edit_applied", "scope_confined")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def media(store: ArtifactStore) -> tuple[str, str]:
    """A video and an image."""
    with store.writing(".mp4") as (path, references):
        video.write(path, np.full((5, 32, 48, 3), 128, np.uint8), 25.0)
    return references[0], store.put(b"not looked at", ".png")


def accepted(number: int, media: tuple[str, str], caption: str = "a clip", scope_score: float | None = None) -> Sample:
    made, image = media
    scores = {axis: AxisVerdict(value=0.9, threshold=0.5, passed=True, reason="") for axis in AXES}
    scores["scope_confined"] = AxisVerdict(value=scope_score, threshold=0.5, passed=None, reason="")
    return Sample(
        id=f"{number:06d}",
        seed=number,
        stage="done",
        decision="accepted",
        clip=Clip(
            clip_id="c",
            uri='/clips/a, "b".mp4',
            sha256=f"{number:08x}" + "0" * 56,
            start_seconds=0,
            end_seconds=0.2,
            fps=25,
            frames=5,
            width=48,
            height=32,
            video=made,
        ),
        description=Description(caption=caption, facts={}, masks=""),
        instruction=Instruction(text=f'Make it "number {number}", please', edit_type="style", scope="global"),
        key_frame=KeyFrame(index=2, source=image, candidates=[image], strengths=[1.0], chosen=image),
        edit=Edit(video=made, route="structure", strength=1.0),
        verdict=Verdict(decision="accepted", reasons=[], rule="all_passed", scores=scores),
        provenance=Provenance(
            models={"editor": "e"}, prompts_hash="p", config_hash="c", code_version="v", created_at=""
        ),
    )


def pairs(count: int, media: tuple[str, str]) -> list[Pair]:
    return [Pair(ordinal=number, sample=accepted(number, media)) for number in range(1, count + 1)]


def test_every_key_stands_on_every_line_null_where_absent(store: ArtifactStore, media: tuple[str, str]) -> None:
    record = record_of(accepted(1, media), AXES).model_dump()
    assert record["scores"] == {"edit_applied": 0.9, "scope_confined": None}
    expected = """
        id source_file_name edited_file_name key_frame_source_path key_frame_edited_path key_frame_index instruction
        caption edit_type scope split scores attempts model_seconds gpu_seconds clip_uri clip_sha256 clip_start_seconds
        clip_end_seconds fps frames width height models prompts_hash seed config_hash code_version created_at
    """
    assert set(record) == set(expected.split())


def test_added_pairs_and_reconciled_pairs_are_the_same_dataset(
    tmp_path: Path, store: ArtifactStore, media: tuple[str, str]
) -> None:
    added, reconciled = (DatasetWriter(tmp_path / name, store, AXES) for name in ("added", "reconciled"))
    for pair in pairs(3, media):
        added.add(pair)
    reconciled.reconcile(pairs(3, media), "card")
    for name in ("diffsynth.csv", "shard-00000/metadata.jsonl"):
        assert (added.root / name).read_bytes() == (reconciled.root / name).read_bytes()
    rows = list(csv.DictReader((added.root / "diffsynth.csv").open(newline="")))
    assert rows[1]["prompt"] == 'Make it "number 2", please'
    assert all(
        (added.root / row[column]).is_file()
        for row in rows
        for column in ("video", "vace_video", "vace_reference_image")
    )


def test_reconcile_mends_torn_lines_lost_files_and_orphans(
    tmp_path: Path, store: ArtifactStore, media: tuple[str, str]
) -> None:
    writer = DatasetWriter(tmp_path / "dataset", store, AXES)
    for pair in pairs(3, media):
        writer.add(pair)
    shard = writer.root / "shard-00000"
    whole = (shard / "metadata.jsonl").read_bytes()
    (shard / "metadata.jsonl").write_bytes(whole[:-20])
    (shard / "edited" / "000002.mp4").unlink()
    (shard / "source" / "999999.mp4").write_bytes(b"orphan")
    (writer.root / "shard-00007").mkdir()
    assert writer.reconcile(pairs(3, media), "card") == 1
    assert (shard / "metadata.jsonl").read_bytes() == whole
    assert (shard / "edited" / "000002.mp4").is_file()
    assert not (shard / "source" / "999999.mp4").exists()
    assert not (writer.root / "shard-00007").exists()
    assert writer.reconcile(pairs(3, media), "card") == 0


def test_a_pair_taken_out_changes_only_its_shard(tmp_path: Path, store: ArtifactStore, media: tuple[str, str]) -> None:
    every = pairs(PAIRS_PER_SHARD + 2, media)
    writer = DatasetWriter(tmp_path / "dataset", store, AXES)
    assert writer.reconcile(every, "card") == 2
    assert writer.reconcile([pair for pair in every if pair.ordinal != 5], "card") == 1
    assert len(list(read_metadata(writer.root))) == PAIRS_PER_SHARD + 1
    assert not (writer.root / "shard-00000" / "edited" / "000005.mp4").exists()
    assert [line["id"] for line in read_metadata(writer.root)][-1] == f"{PAIRS_PER_SHARD + 2:06d}"


def test_splits_follow_the_source_and_are_about_90_5_5() -> None:
    import hashlib
    from collections import Counter

    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]
    counts = Counter(map(split_of, hashes))
    assert 0.87 < counts["train"] / 4000 < 0.93
    assert 0.03 < counts["test"] / 4000 < 0.07


@pytest.mark.slow
def test_the_fields_loader_reads_it_also_past_10_megabytes_of_metadata(
    tmp_path: Path, store: ArtifactStore, media: tuple[str, str]
) -> None:
    caption = "a long caption, " * 800
    samples = [accepted(number, media, caption, 0.75 if number % 2 else None) for number in range(1, 1101)]
    writer = DatasetWriter(tmp_path / "dataset", store, AXES)
    writer.reconcile([Pair(ordinal=place, sample=sample) for place, sample in enumerate(samples, 1)], "card")
    assert (writer.root / "shard-00000" / "metadata.jsonl").stat().st_size > 10_000_000
    loaded = load_folder(writer.root, tmp_path / "cache")
    assert len(loaded) == 1100
    rows = {row["id"]: row for row in loaded}
    assert rows["000999"]["scores"] == rows["001099"]["scores"] == {"edit_applied": 0.9, "scope_confined": 0.75}
    assert rows["001000"]["scores"]["scope_confined"] is None
    late = rows["001100"]
    assert late["instruction"] == 'Make it "number 1100", please'
    assert Path(late["edited"]["path"]).is_file()
    assert set(late) == {key.removesuffix("_file_name") for key in record_of(samples[0], AXES).model_dump()}
