"""Pairs encoded once: what is read back is what was encoded, whatever ended the process that wrote it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ditto_models.command import CommandFailed
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.encoding import Encoder
from ditto_models.train.items import Item
from ditto_models.train.latent_cache import CachedItems
from ditto_models.train.pairs import PairInBucket, TrainingPair, UnusablePair
from ditto_models.train.random_base import save_random_base
from ditto_models.train.recipe import DataConfig
from ditto_models.train.snapshot import freeze
from ditto_models.train.tensor_cache import TensorCache
from tests.counted_encoder import Counted
from tests.pair_folder import FRAMES, HEIGHT, WIDTH, write_pair

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
BUCKET = Bucket(frames=FRAMES, height=HEIGHT, width=WIDTH)
OTHER = Bucket(frames=5, height=48, width=48)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    folder = save_random_base(tmp_path_factory.mktemp("base") / "base", "tiny")
    encoder = Encoder(WeightsConfig(repo=str(folder)), "cpu", "float32")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingPair]:
    """Three pairs: the second has the first one's instruction, the third its source."""
    folder = tmp_path_factory.mktemp("data")
    shard = folder / "dataset/shard-00000"
    write_pair(shard, "000001", seed=1, instruction="make it snow")
    write_pair(shard, "000002", seed=2, instruction="make it snow")
    write_pair(shard, "000003", seed=3)
    (shard / "source/000003.mp4").write_bytes((shard / "source/000001.mp4").read_bytes())
    return list(freeze(folder / "dataset", folder / "out", DataConfig(buckets=(BUCKET,))).pairs)


@pytest.fixture
def pairs(frozen: list[TrainingPair], tmp_path: Path) -> list[PairInBucket]:
    """Copies that a test may spoil."""
    copied = []
    for pair in frozen:
        files = {which: tmp_path / f"{pair.id}-{which}{path.suffix}" for which, path in pair.files.items()}
        for which, path in pair.files.items():
            files[which].write_bytes(path.read_bytes())
        copied.append((pair.with_files(files), BUCKET))
    return copied


def cached(tmp_path: Path, encoder: Encoder, contents: str = "contents") -> CachedItems:
    return CachedItems(tmp_path / "cache", encoder, tmp_path / contents)


def same(one: Item, other: Item) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def files_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").glob("??/*.safetensors"))


def test_what_is_read_back_is_what_was_encoded_and_each_thing_is_encoded_once(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    encoder, told = Counted(networks), []
    items = cached(tmp_path, encoder)
    assert items.fill(pairs, lambda done, total: told.append((done, total))) == []
    # Two texts; three pairs of three files each, of which one source is shared.
    assert len(encoder.asked) == len(set(encoder.asked)) == 2 + 9 - 1
    assert encoder.closed == ["text after 2", "all"]
    assert told == [(done, 5) for done in range(6)]
    encoder.asked.clear()
    found = [items.get(*placed) for placed in pairs]
    assert items.fill(pairs) == []
    assert encoder.asked == []
    assert all(same(item, encoder.encode(*placed)) for item, placed in zip(found, pairs, strict=True))
    assert found[0].text_LD.shape[0] == 512
    texts = [path for path in files_of(tmp_path) if path.stat().st_size < 512 * 32 * 4]
    assert texts, "texts are kept without their padding"


def test_another_training_and_another_process_share_the_cache(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    share = [Counted(networks), Counted(networks)]
    for process, encoder in enumerate(share):
        cached(tmp_path, encoder).fill(pairs, process=process, processes=2)
    assert sorted(len(encoder.asked) for encoder in share) == [1 + 3, 1 + 5]
    other = Counted(networks)
    items = cached(tmp_path, other, contents="another training")
    items.fill(pairs)
    assert other.asked == []
    assert items.fill([(pair, OTHER) for pair, _ in pairs]) == []
    assert len(other.asked) == 8  # the texts are the same in every bucket


def test_no_file_is_hashed_twice_nor_by_two_processes(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = cached(tmp_path, Counted(networks))
    cached(tmp_path, Counted(networks)).fill(pairs)
    monkeypatch.setattr("ditto_models.train.contents.content_of", lambda pair, which: pytest.fail("hashed again"))
    for items in (early, cached(tmp_path, Counted(networks))):
        assert all(items.get(*placed) for placed in pairs)


def killed(body: Callable[[], object]) -> int | None:
    """The exit code of a process that does this."""
    process = multiprocessing.get_context("fork").Process(target=body)
    process.start()
    process.join(60)
    return process.exitcode


def test_what_was_encoded_before_a_kill_is_not_encoded_again(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    last = Counted(networks, lambda: os.kill(os.getpid(), signal.SIGKILL), most=6)
    assert killed(lambda: cached(tmp_path, last).fill(pairs)) == -signal.SIGKILL
    encoder = Counted(networks)
    items = cached(tmp_path, encoder)
    assert items.fill(pairs) == []
    assert len(encoder.asked) == 10 - 6
    assert all(same(items.get(*placed), encoder.encode(*placed)) for placed in pairs)


def test_a_kill_while_a_file_is_written_leaves_no_half_of_it(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        assert killed(lambda: cached(tmp_path, Counted(networks)).fill(pairs)) == -signal.SIGKILL
    assert files_of(tmp_path) == []
    [left] = (tmp_path / "cache/partial").iterdir()
    TensorCache(tmp_path / "cache")
    assert left.exists()  # it might still be at work
    os.utime(left, (0, time.time() - 7200))
    TensorCache(tmp_path / "cache")
    assert not left.exists()


def test_what_another_training_is_just_finishing_is_left_alone(tmp_path: Path) -> None:
    partial = TensorCache(tmp_path).folder / "partial"

    def write_for_ever() -> None:
        while True:
            for number in range(20):
                (partial / str(number)).touch()
            for number in range(20):
                (partial / str(number)).unlink()

    other = multiprocessing.get_context("fork").Process(target=write_for_ever, daemon=True)
    other.start()
    seen = 0
    while seen < 1000:
        seen += len(list(partial.iterdir()))
        TensorCache(tmp_path)
        assert other.is_alive()
    other.kill()


def test_several_processes_at_once_write_whole_files(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    at_once = [context.Process(target=lambda: cached(tmp_path, Counted(networks)).fill(pairs)) for _ in range(3)]
    for process in at_once:
        process.start()
    for process in at_once:
        process.join(60)
    assert [process.exitcode for process in at_once] == [0, 0, 0]
    encoder = Counted(networks)
    items = cached(tmp_path, encoder)
    assert all(same(items.get(*placed), Encoder.encode(networks, *placed)) for placed in pairs[:1])
    items.fill(pairs)
    assert encoder.asked == []
    assert not list((tmp_path / "cache/partial").iterdir())


@pytest.mark.parametrize("left", [0, 5, 0.5])
def test_a_torn_file_is_made_again(networks: Encoder, pairs: list[PairInBucket], tmp_path: Path, left: float) -> None:
    encoder = Counted(networks)
    items = cached(tmp_path, encoder)
    items.fill(pairs[:1])
    whole = items.get(*pairs[0])
    for path in files_of(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[: int(left * len(content)) if left < 1 else int(left)])
    encoder.asked.clear()
    assert same(cached(tmp_path, encoder).get(*pairs[0]), whole)
    assert len(encoder.asked) == 4
    encoder.asked.clear()
    cached(tmp_path, encoder).fill(pairs[:1])
    assert encoder.asked == []


def test_a_broken_pair_is_named_and_the_others_are_encoded(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    broken, gone = pairs[0][0], pairs[1][0]
    broken.edited.write_bytes(b"x" * broken.edited.stat().st_size)
    gone.source.unlink()
    encoder = Counted(networks)
    for _ in range(2):  # it is no better the next time
        unusable = cached(tmp_path, encoder).fill(pairs)
        assert [error.pair_id for error in unusable] == ["000001", "000002"]
        assert re.search("cannot read .* as a video", unusable[0].problem)
        assert "is missing" in unusable[1].problem
    again = pickle.loads(pickle.dumps(unusable[0]))
    assert (str(again), again.pair_id) == (str(unusable[0]), "000001")


def test_a_file_that_changed_since_it_was_encoded_is_refused_and_one_that_was_copied_is_not(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    pair, bucket = pairs[0]
    items = cached(tmp_path, Counted(networks))
    items.fill(pairs[:1])
    os.utime(pair.source, (0, 0))
    assert items.get(pair, bucket)
    content = bytearray(pair.source.read_bytes())
    content[-1] ^= 1
    pair.source.write_bytes(content)
    with pytest.raises(UnusablePair, match=r"source .* changed since it was first encoded"):
        cached(tmp_path, Counted(networks)).get(pair, bucket)
    pair.source.unlink()
    with pytest.raises(UnusablePair, match="is missing"):
        items.get(pair, bucket)


def test_a_spoilt_line_of_contents_is_read_past(networks: Encoder, pairs: list[PairInBucket], tmp_path: Path) -> None:
    cached(tmp_path, Counted(networks)).fill(pairs)
    [lines] = (tmp_path / "contents").iterdir()
    first, *others = lines.read_bytes().splitlines(keepends=True)
    lines.write_bytes(b"\0" * 20 + b"\n" + b"".join(others) + first[:30])
    encoder = Counted(networks)
    assert cached(tmp_path, encoder).get(*pairs[0])
    assert encoder.asked == []


def test_a_full_disk_is_one_clear_line_and_tears_nothing(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def full(number: int) -> None:
        synced.append(number)
        if len(synced) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(CommandFailed, match=r"^the disk of the cache '.*' is full; make room"):
            cached(tmp_path, Counted(networks)).fill(pairs)
    assert len(files_of(tmp_path)) == 4
    assert not list((tmp_path / "cache/partial").iterdir())
    encoder = Counted(networks)
    assert cached(tmp_path, encoder).fill(pairs) == []
    assert len(encoder.asked) == 10 - 4


def test_the_cost_is_what_the_files_take_and_is_refused_where_the_disk_is_small(
    networks: Encoder, pairs: list[PairInBucket], tmp_path: Path
) -> None:
    items = cached(tmp_path, Counted(networks))
    before = items.cost(pairs)
    items.fill(pairs)
    after = items.cost(pairs)
    taken = sum(path.stat().st_size for path in files_of(tmp_path))  # a source is there once, an empty video beside
    assert before.missing_bytes == before.total_bytes == after.total_bytes
    assert after.missing_bytes == 0
    assert cached(tmp_path, Counted(networks), contents="another training").cost(pairs).missing_bytes == 0
    assert items.cost([*pairs, (pairs[0][0], OTHER)]).missing_bytes > 0
    assert taken == pytest.approx(before.total_bytes, rel=0.05)
    assert re.fullmatch(r"cache of 3 pairs: 82.6 kB, 27.5 kB a pair; 82.6 kB to write, .* free in '.*'", str(before)), (
        before
    )
    before.check()
    with pytest.raises(CommandFailed, match=r"the cache needs 82.6 kB more, and the disk of .* has 5 B free"):
        replace(before, free_bytes=5).check()
