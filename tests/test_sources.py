"""A folder becomes the clip table: a fate for every file, as far as clips are needed, and the same after any end."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.command import CommandError
from agent.profile import Profile
from agent.second_look import build_second_look
from agent.sources import BLOCK, Sources
from ditto_models import video
from ditto_models.executors.in_process import InProcessExecutor
from memory.ledger import Ledger
from tests.fake_run import fake_profile
from tests.scenes import FPS, scene, write_shots

PROFILE = fake_profile("clips.frames=10", "clips.min_height=32")
DEDUPE = fake_profile("clips.frames=10", "clips.min_height=32", "clips.checks=[near_duplicate]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clips"
    made.mkdir()
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def sources_of(
    ledger: Ledger, profile: Profile, seed: int = 0, say: Callable[[str], None] = lambda line: None
) -> Sources:
    executor = InProcessExecutor(1)
    return Sources(ledger, executor, build_second_look(profile, executor), profile, seed, say)


def take_all(folder: Path, ledger: Ledger, profile: Profile = PROFILE, seed: int = 0) -> list[str]:
    """Look at everything in the folder; returns what was told."""
    told: list[str] = []
    sources = sources_of(ledger, profile, seed, told.append)
    sources.find(folder, besides=folder / "run")

    async def until_done() -> None:
        while await sources.take_in() is not None:
            pass

    asyncio.run(until_done())
    return told


def fates(ledger: Ledger) -> dict[str, str]:
    return {Path(source.uri).name: source.reason or source.outcome for source in ledger.sources.fates()}


def clip_ids(ledger: Ledger) -> list[str]:
    return [clip.clip_id for clip in ledger.sources.clips()]


def test_every_file_of_a_folder_and_of_those_in_it_has_a_fate(folder: Path, ledger: Ledger) -> None:
    write_shots(folder / "good.mp4", 20)
    (folder / "deep" / "er").mkdir(parents=True)
    write_shots(folder / "deep" / "er" / "short.MP4", 5, seed=3)
    (folder / "broken.mkv").write_text("words")
    (folder / "notes.txt").write_text("no video by its name: left alone")
    (folder / "folder.mp4").mkdir()
    (folder / "run" / "artifacts").mkdir(parents=True)
    write_shots(folder / "run" / "artifacts" / "own.mp4", 20, seed=5)
    told = take_all(folder, ledger)
    found = fates(ledger)
    assert found.keys() == {"good.mp4", "short.MP4", "broken.mkv", "folder.mp4"}
    assert found["good.mp4"] == "pending"
    assert found["short.MP4"].startswith("too short")
    assert found["broken.mkv"].startswith("unreadable")
    assert found["folder.mp4"].startswith("unreadable")
    assert "good.mp4: 2 clips" in told
    assert len(told) == 4


def test_a_file_not_looked_at_yet_says_so(folder: Path, ledger: Ledger) -> None:
    for number in range(BLOCK + 2):
        write_shots(folder / f"{number}.mp4", 12, seed=number)
    sources = sources_of(ledger, PROFILE)
    sources.find(folder, besides=folder / "run")
    taken = asyncio.run(sources.take_in())
    assert taken is not None
    assert len(taken) == BLOCK
    assert sorted(fates(ledger).values()) == ["not looked at yet"] * 2 + ["pending"] * BLOCK


def test_a_second_look_adds_nothing_and_new_files_are_found(folder: Path, ledger: Ledger) -> None:
    write_shots(folder / "first.mp4", 20)
    (folder / "broken.mp4").write_text("words")
    take_all(folder, ledger)
    before = (fates(ledger), clip_ids(ledger))
    assert take_all(folder, ledger) == []
    assert (fates(ledger), clip_ids(ledger)) == before
    write_shots(folder / "second.mp4", 31, seed=9)
    assert take_all(folder, ledger) == ["second.mp4: 3 clips"]
    assert clip_ids(ledger)[: len(before[1])] == before[1]


def test_a_file_that_has_changed_is_looked_at_again(folder: Path, ledger: Ledger) -> None:
    (folder / "copying.mp4").write_text("half of it")
    kept = write_shots(folder / "kept.mp4", 12, seed=7)
    take_all(folder, ledger)
    assert fates(ledger)["copying.mp4"].startswith("unreadable")
    write_shots(folder / "copying.mp4", 20)
    write_shots(kept, 22, seed=8)
    assert sorted(take_all(folder, ledger)) == ["copying.mp4: 2 clips", "kept.mp4: 2 clips"]
    assert len(clip_ids(ledger)) == 4, "clips of what kept.mp4 held before are gone"


def test_order_follows_from_the_seed_and_the_names_alone(folder: Path, tmp_path: Path) -> None:
    for number in range(BLOCK + 1):
        write_shots(folder / f"{number}.mp4", 24, seed=3 * number)
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    orders = []
    for run, (place, seed) in enumerate([(folder, 1), (elsewhere, 1), (folder, 2)]):
        ledger = Ledger(tmp_path / f"{run}.sqlite")
        take_all(place, ledger, seed=seed)
        orders.append(clip_ids(ledger))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_a_copy_under_another_name_adds_no_clip(folder: Path, ledger: Ledger) -> None:
    content = write_shots(folder / "first.mp4", 20).read_bytes()
    (folder / "second.mp4").write_bytes(content)
    take_all(folder, ledger)
    assert len(clip_ids(ledger)) == 2
    assert [reason.split(":")[0] for reason in sorted(fates(ledger).values())] == ["duplicate", "pending"]


def test_a_recoded_and_scaled_copy_is_a_near_duplicate_and_another_scene_is_not(folder: Path, ledger: Ledger) -> None:
    big = scene(20, 0, 96, 128)
    video.write(folder / "a.mp4", big, FPS)
    video.write(folder / "b.mp4", big[:, ::2, ::2], FPS, crf=30)
    video.write(folder / "c.mp4", scene(20, 1, 96, 128), FPS)
    take_all(folder, ledger, DEDUPE)
    found = fates(ledger)
    copies = {found.pop("a.mp4"), found.pop("b.mp4")}
    assert found == {"c.mp4": "pending"}
    assert "pending" in copies
    assert any(reason.startswith("near-duplicate: ") and reason.endswith("(and so 1 more)") for reason in copies)
    assert all("near-duplicate" in one.reason for one in ledger.sources.dropped())


def test_a_moved_file_keeps_its_clips_and_is_no_duplicate(folder: Path, ledger: Ledger) -> None:
    path = write_shots(folder / "a.mp4", 20)
    take_all(folder, ledger, DEDUPE)
    before = clip_ids(ledger)
    path.rename(folder / "b.mp4")
    take_all(folder, ledger, DEDUPE)
    assert sorted(clip_ids(ledger)) == sorted(before)
    assert {Path(clip.uri).name for clip in ledger.sources.clips()} == {"b.mp4"}


@pytest.mark.parametrize("profile", [PROFILE, DEDUPE])
def test_files_that_change_names_and_places_keep_their_clips(folder: Path, ledger: Ledger, profile: Profile) -> None:
    one, other = write_shots(folder / "a.mp4", 12, seed=1), write_shots(folder / "b.mp4", 12, seed=2)
    take_all(folder, ledger, profile)
    before = sorted(clip_ids(ledger))
    one.rename(folder / "x")
    other.rename(one)
    (folder / "x").rename(other)
    take_all(folder, ledger, profile)
    assert fates(ledger) == {"a.mp4": "pending", "b.mp4": "pending"}, "each is no copy of what the other was"
    assert sorted(clip_ids(ledger)) == before
    for number in range(2 * BLOCK):  # so many that they are not all looked at together
        one.rename(folder / f"old {number}.mp4")
        write_shots(one, 12, seed=10 + number)
        take_all(folder, ledger, profile)
    assert set(fates(ledger).values()) == {"pending"}
    assert len(clip_ids(ledger)) == 2 + 2 * BLOCK


def test_files_that_have_not_changed_cost_the_backup_nothing(folder: Path, ledger: Ledger, tmp_path: Path) -> None:
    for number in range(50):
        (folder / f"{number}.mp4").touch()

    def tail_bytes() -> int:
        return sum(path.stat().st_size for path in (tmp_path / "backup").glob("tail-*"))

    take_all(folder, ledger)
    before = tail_bytes()
    take_all(folder, ledger)
    assert tail_bytes() == before > 0


def test_other_rules_for_clips_are_applied_to_files_that_are_known(folder: Path, ledger: Ledger) -> None:
    write_shots(folder / "a.mp4", 40)
    strict = fake_profile("clips.frames=10", "clips.min_height=200")
    longer = fake_profile("clips.frames=15", "clips.min_height=32")
    take_all(folder, ledger, strict)
    assert fates(ledger)["a.mp4"].startswith("too small")
    take_all(folder, ledger)
    assert {clip.frames for clip in ledger.sources.clips()} == {10}
    take_all(folder, ledger, longer)
    assert [clip.frames for clip in ledger.sources.clips()] == [15, 15]
    assert take_all(folder, ledger, longer) == []


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, ledger: Ledger) -> None:
    sources = sources_of(ledger, PROFILE)
    with pytest.raises(CommandError, match="nowhere"):
        sources.find(tmp_path / "nowhere", besides=tmp_path)
