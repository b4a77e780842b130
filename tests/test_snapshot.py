"""A frozen dataset: filtered, counted, kept whatever the campaign does after, and led out of its folder by no row."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.dataset_rows import Found, SnapshotError
from ditto_models.train.pairs import TrainingPair
from ditto_models.train.recipe import DataConfig
from ditto_models.train.selection import selected
from ditto_models.train.snapshot import SNAPSHOT, freeze, read_snapshot
from tests.pair_folder import FRAMES, HEIGHT, WIDTH, append_row, row, write_pair
from tests.training_pairs import a_pair

CONFIG = DataConfig(buckets=(Bucket(frames=FRAMES, height=HEIGHT, width=WIDTH),))


def fill_shard(shard: Path, *ids: str, **changes: Any) -> None:
    """Pairs whose files hold their own name: nothing here looks into them."""
    for pair_id in ids:
        line = row(pair_id, **changes)
        for key in ("source_file_name", "edited_file_name", "key_frame_edited_path"):
            path = shard / str(line[key])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.parent.name} {pair_id}")
        append_row(shard, line)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    fill_shard(folder / "shard-00000", "a", "b")
    fill_shard(folder / "shard-00001", "c")
    fill_shard(folder / "shard-00001", "v", split="validation")
    fill_shard(folder / "shard-00001", "t", split="test")
    return folder


def ids(pairs: tuple[TrainingPair, ...]) -> list[str]:
    return [pair.id for pair in pairs]


def test_train_and_validation_split_are_frozen_and_the_rest_is_counted(data: Path, tmp_path: Path) -> None:
    fill_shard(data / "shard-00001", "short", frames=5)
    snapshot = freeze(data, tmp_path / "out", CONFIG)
    assert ids(snapshot.pairs) == ["a", "b", "c"]
    assert ids(snapshot.validation) == ["v"]
    assert snapshot.left_out == {"split test": 1, "too short for every bucket": 1}
    assert snapshot.notes == ()
    assert snapshot.pairs[0].edited.read_text() == "edited a"
    assert snapshot == read_snapshot(tmp_path / "out")


@pytest.mark.parametrize(
    ("filters", "left", "reason"),
    [
        ({"min_scores": {"edit_applied": 0.8}}, ["a", "b", "c"], "edit_applied below 0.8"),
        ({"min_scores": {"motion": 0.1}}, ["low"], "motion not judged"),
        ({"edit_types": ("remove",)}, ["low"], "edit type style"),
        ({"scope": "local"}, ["low"], "scope global"),
    ],
)
def test_each_filter_leaves_out_what_it_says(
    data: Path, tmp_path: Path, filters: dict[str, Any], left: list[str], reason: str
) -> None:
    low = {"edit_applied": 0.5, "motion": 0.5}
    fill_shard(data / "shard-00001", "low", edit_type="remove", scope="local", scores=low)
    snapshot = freeze(data, tmp_path / "out", DataConfig(**{**dict(CONFIG), **filters}))
    assert ids(snapshot.pairs) == left
    assert snapshot.left_out[reason] >= 1


def test_what_is_frozen_stays_whatever_becomes_of_the_dataset(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = freeze(data, out, CONFIG)
    fill_shard(data / "shard-00001", "later")
    assert freeze(data, out, CONFIG) == first
    shutil.rmtree(data)
    assert freeze(data, out, CONFIG) == first
    assert all(path.is_file() for pair in first.pairs for path in pair.files.values())
    moved = out.rename(tmp_path / "moved")
    again = read_snapshot(moved)
    assert again.hash == first.hash
    assert again.pairs[0].source.read_text() == "source a"


def test_the_hash_is_of_the_pairs_and_not_of_where_they_lie(data: Path, tmp_path: Path) -> None:
    hashes = [freeze(data, tmp_path / "one", CONFIG).hash]
    copied = shutil.copytree(data, tmp_path / "elsewhere")
    shutil.move(copied / "shard-00000", copied / "shard-00007")
    assert freeze(copied, tmp_path / "two", CONFIG).hash == hashes[0]
    (copied / "shard-00007/source/a.mp4").write_text("another length")
    hashes.append(freeze(copied, tmp_path / "three", CONFIG).hash)
    hashes.append(freeze(data, tmp_path / "four", DataConfig(**{**dict(CONFIG), "most_pairs": 2})).hash)
    assert len(set(hashes)) == 3


def test_another_dataset_or_other_filters_are_refused(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    freeze(data, out, CONFIG)
    freeze(data, out, CONFIG.model_copy(update={"cache": "none"}))
    with pytest.raises(SnapshotError, match="was frozen of"):
        freeze(data / "shard-00000", out, CONFIG)
    assert freeze(tmp_path, out, CONFIG) == read_snapshot(out)  # RUN means RUN/dataset
    with pytest.raises(SnapshotError, match=r"data.scope='both', not 'local'"):
        freeze(data, out, CONFIG.model_copy(update={"scope": "local"}))


def test_a_row_that_is_being_written_is_left_out_and_a_broken_one_named(data: Path, tmp_path: Path) -> None:
    append_row(data / "shard-00001", row("unfinished"), end="")
    assert "unfinished" not in ids(freeze(data, tmp_path / "out", CONFIG).pairs)
    metadata = data / "shard-00000/metadata.jsonl"
    wide = json.dumps(row("wide", width=10**400)) + "\n"
    for broken in ('{"id": "x"}\n', "not json\n", wide):
        lines = metadata.read_text().splitlines(keepends=True)
        metadata.write_text("".join([*lines[:2], broken]))
        with pytest.raises(SnapshotError, match=r"shard-00000/metadata.jsonl' line 3 is no row"):
            freeze(data, tmp_path / "other", CONFIG)
    assert not (tmp_path / "other" / SNAPSHOT).exists()


@pytest.mark.parametrize(
    "pair_id", ["../a", "/etc/passwd", "a/b", "a\\b", "..", "a..b", ".hidden", "", "a\nb", "x" * 300]
)
def test_no_id_leads_out_of_the_dataset(data: Path, tmp_path: Path, pair_id: str) -> None:
    append_row(data / "shard-00000", row(pair_id))
    with pytest.raises(SnapshotError, match="line 3: id"):
        freeze(data, tmp_path / "out", CONFIG)


@pytest.mark.parametrize("key", ["source_file_name", "edited_file_name", "key_frame_edited_path"])
def test_no_file_name_and_no_link_leads_out_of_the_dataset(data: Path, tmp_path: Path, key: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    shard = data / "shard-00002"
    append_row(shard, row("d", **{key: str(secret)}))
    with pytest.raises(SnapshotError, match=r"names the file .*secret.*; expected '"):
        freeze(data, tmp_path / "out", CONFIG)
    (shard / "metadata.jsonl").unlink()
    fill_shard(shard, "d")
    link = shard / str(row("d")[key])
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(SnapshotError, match="is a link out of the dataset"):
        freeze(data, tmp_path / "out", CONFIG)


def test_a_pair_without_its_files_is_left_out_and_named(data: Path, tmp_path: Path) -> None:
    (data / "shard-00000/edited/b.mp4").unlink()
    snapshot = freeze(data, tmp_path / "out", CONFIG)
    assert ids(snapshot.pairs) == ["a", "c"]
    assert snapshot.left_out["files missing"] == 1
    assert snapshot.notes == ("skipped pair 'b': edited missing in shard-00000",)


def test_a_pair_that_changes_shards_is_taken_once_from_where_its_files_are(data: Path, tmp_path: Path) -> None:
    fill_shard(data / "shard-00001", "b")
    (data / "shard-00000/edited/b.mp4").unlink()
    snapshot = freeze(data, tmp_path / "out", CONFIG)
    assert ids(snapshot.pairs) == ["a", "b", "c"]
    assert "shard-00001" in str(snapshot.pairs[1].source)
    assert "files missing" not in snapshot.left_out


def test_where_nothing_can_be_linked_the_files_are_read_where_they_lie(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_device(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    linked = freeze(data, tmp_path / "linked", CONFIG)
    monkeypatch.setattr(Path, "hardlink_to", other_device)
    snapshot = freeze(data, tmp_path / "out", CONFIG)
    assert snapshot.pairs[0].source == (data / "shard-00000/source/a.mp4").resolve()
    assert "the files of 4 pairs could not be linked" in snapshot.notes[0]
    assert read_snapshot(tmp_path / "out").notes == snapshot.notes
    assert snapshot.hash == linked.hash


def test_nothing_to_train_on_says_what_was_left_out(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"left out: .*4 \(edit_applied below 0.99\).*1 \(split test\)"):
        freeze(data, tmp_path / "out", DataConfig(**{**dict(CONFIG), "min_scores": {"edit_applied": 0.99}}))
    with pytest.raises(SnapshotError, match=r"has no shard-\*/metadata.jsonl"):
        freeze(tmp_path / "nowhere", tmp_path / "out", CONFIG)
    with pytest.raises(SnapshotError, match=f"has no {SNAPSHOT}"):
        read_snapshot(tmp_path / "out")


def test_a_snapshot_that_was_tampered_with_is_refused(data: Path, tmp_path: Path) -> None:
    freeze(data, tmp_path / "out", CONFIG)
    path = tmp_path / "out" / SNAPSHOT
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:-1], json.dumps(json.loads(lines[-1]) | {"instruction": "another"}) + "\n"]))
    with pytest.raises(SnapshotError, match="is damaged: its pairs are not those that were frozen"):
        read_snapshot(tmp_path / "out")


def test_a_stopped_freeze_is_taken_up_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("ditto_models.train.snapshot.write_whole", full)
        with pytest.raises(OSError, match="No space"):
            freeze(data, out, CONFIG)
    assert not (out / SNAPSHOT).exists()
    (data / "shard-00000/source/a.mp4").unlink()
    (data / "shard-00000/source/a.mp4").write_text("written anew")
    assert freeze(data, out, CONFIG).pairs[0].source.read_text() == "written anew"


@given(st.permutations([f"{number:03}" for number in range(12)]), st.integers(1, 14))
def test_the_most_pairs_are_the_same_whatever_their_order_and_more_hold_fewer(order: list[str], most: int) -> None:
    here = Path(__file__)  # a file that is there
    files = dict.fromkeys(("source", "edited", "key_frame"), here)
    every = [Found(pair=a_pair(pair_id).with_files(files), shard="s") for pair_id in order]

    def chosen(pairs: list[Found], most: int) -> list[str]:
        found = selected(pairs, CONFIG.model_copy(update={"most_pairs": most})).chosen
        return [each.pair.id for each in found]

    assert chosen(every, most) == chosen(sorted(every, key=lambda found: found.pair.id), most)
    assert set(chosen(every, most)) <= set(chosen(every, most + 1))
    assert len(chosen(every, most)) == min(most, 12)


def test_real_files_are_linked_not_copied(tmp_path: Path) -> None:
    write_pair(tmp_path / "run/dataset/shard-00000", "000001")
    snapshot = freeze(tmp_path / "run", tmp_path / "out", CONFIG)
    assert snapshot.pairs[0].edited.samefile(tmp_path / "run/dataset/shard-00000/edited/000001.mp4")
