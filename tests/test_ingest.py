"""From files to clips: shots, windows, sizes, and a named reason for every file that gives none."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from agent.ingest import IngestConfig, fitted_size, ingest, read_source, shots
from ditto_models import video
from ditto_models.base import Frames
from memory.ledger import Ledger

CONFIG = IngestConfig(frames=10, min_height=32)
FPS = 25.0


def scene(frames: int, seed: int, height: int = 48, width: int = 64) -> Frames:
    """A picture of coarse random tiles that moves by a pixel a frame; seeds look nothing alike."""
    tiles = np.random.default_rng(seed).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    picture = tiles.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return np.stack([np.roll(picture, index, axis=1) for index in range(frames)])


def write_shots(path: Path, *lengths: int) -> Path:
    """A video of one shot a length, with hard cuts between."""
    video.write(path, np.concatenate([scene(length, seed) for seed, length in enumerate(lengths)]), FPS)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clips"
    made.mkdir()
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def reason_of(path: Path) -> str:
    source, clips = read_source(path, CONFIG)
    assert (source.outcome, clips) == ("rejected", [])
    return source.reason


def test_a_hard_cut_parts_two_shots(folder: Path) -> None:
    assert shots(write_shots(folder / "two.mp4", 20, 30), CONFIG.shot_threshold) == [(0, 20), (20, 50)]


def test_a_short_shot_between_long_ones_is_cut_out(folder: Path) -> None:
    path = write_shots(folder / "insert.mp4", 20, 6, 20)
    assert shots(path, CONFIG.shot_threshold) == [(0, 20), (20, 26), (26, 46)]


def test_a_video_without_a_cut_is_one_shot(folder: Path) -> None:
    assert shots(write_shots(folder / "one.mp4", 40), CONFIG.shot_threshold) == [(0, 40)]


def test_windows_lie_within_shots_and_leave_their_ends_out(folder: Path) -> None:
    path = write_shots(folder / "two.mp4", 24, 36)
    source, clips = read_source(path, CONFIG)
    assert (source.outcome, source.reason, source.uri) == ("pending", "", str(path))
    starts = [round(clip.start_seconds * FPS) for clip in clips]
    assert starts == [2, 12, 27, 37, 47]
    assert all(round((clip.end_seconds - clip.start_seconds) * FPS) == clip.frames == 10 for clip in clips)
    assert all(clip.end_seconds * FPS <= 24 or clip.start_seconds * FPS >= 24 for clip in clips)
    assert len({clip.clip_id for clip in clips}) == 5
    assert {clip.sha256 for clip in clips} == {hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_window_read_back_is_of_one_shot(folder: Path) -> None:
    path = write_shots(folder / "two.mp4", 14, 16)
    whole = video.read(path).frames
    for clip, first in zip(read_source(path, CONFIG)[1], (2, 17), strict=True):
        window = video.read_window(path, clip.start_seconds, clip.end_seconds, clip.frames, clip.width, clip.height)
        assert np.array_equal(window.frames, whole[first : first + 10])


def test_a_shot_shorter_than_a_window_gives_none_but_the_others_do(folder: Path) -> None:
    _, clips = read_source(write_shots(folder / "uneven.mp4", 8, 12), CONFIG)
    assert [round(clip.start_seconds * FPS) for clip in clips] == [9]


def test_too_short_is_a_reason(folder: Path) -> None:
    assert reason_of(write_shots(folder / "short.mp4", 9)) == "too short: no shot reaches 10 frames"


def test_too_small_is_a_reason(folder: Path) -> None:
    path = folder / "small.mp4"
    video.write(path, scene(20, 0, height=24), FPS)
    assert reason_of(path) == "too small: 64x24, expected at least 32 lines"


@pytest.mark.parametrize(
    "content", [b"these are words, not a video\n" * 40, b"", b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 99]
)
def test_what_is_no_video_is_a_reason(folder: Path, content: bytes) -> None:
    path = folder / "words.mp4"
    path.write_bytes(content)
    reason = reason_of(path)
    assert reason.startswith("unreadable: cannot read ")
    assert "words.mp4" in reason


def test_a_video_cut_off_in_the_middle_has_a_fate(folder: Path) -> None:
    whole = write_shots(folder / "whole.mp4", 40).read_bytes()
    path = folder / "part.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source, clips = read_source(path, CONFIG)
    assert source.outcome == ("pending" if clips else "rejected")
    assert clips or source.reason


def test_every_file_of_a_folder_has_a_fate_and_is_told_of(folder: Path, ledger: Ledger) -> None:
    write_shots(folder / "good.mp4", 20)
    write_shots(folder / "short.MP4", 5)
    (folder / "broken.mkv").write_text("words")
    (folder / "notes.txt").write_text("no video by its name: left alone")
    (folder / "folder.mp4").mkdir()
    told: list[str] = []
    ingest(folder, ledger, CONFIG, told.append)
    fates = {Path(source.uri).name: source.outcome for source in ledger.sources()}
    assert fates == {
        "good.mp4": "pending",
        "short.MP4": "rejected",
        "broken.mkv": "rejected",
        "folder.mp4": "rejected",
    }
    assert "good.mp4: 2 clips" in told
    assert len(told) == 4
    assert len(ledger.clips()) == 2


def test_a_second_ingest_adds_nothing_and_new_files_are_found(folder: Path, ledger: Ledger) -> None:
    write_shots(folder / "first.mp4", 20)
    (folder / "broken.mp4").write_text("words")
    ingest(folder, ledger, CONFIG, lambda line: None)
    before = (ledger.sources(), ledger.clips())
    told: list[str] = []
    ingest(folder, ledger, CONFIG, told.append)
    assert (ledger.sources(), ledger.clips(), told) == (*before, [])
    write_shots(folder / "second.mp4", 31)
    ingest(folder, ledger, CONFIG, told.append)
    assert told == ["second.mp4: 3 clips"]
    assert ledger.clips()[: len(before[1])] == before[1]


def test_a_copy_under_another_name_adds_no_clip(folder: Path, ledger: Ledger) -> None:
    content = write_shots(folder / "first.mp4", 20).read_bytes()
    (folder / "second.mp4").write_bytes(content)
    ingest(folder, ledger, CONFIG, lambda line: None)
    assert len(ledger.clips()) == 2


def test_a_folder_that_is_none_is_named(tmp_path: Path, ledger: Ledger) -> None:
    with pytest.raises(NotADirectoryError, match="nowhere"):
        ingest(tmp_path / "nowhere", ledger, CONFIG, lambda line: None)


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1280, 720), (640, 360)),
        ((853, 481), (638, 360)),
        ((640, 272), (640, 272)),
        ((720, 405), (640, 360)),
        ((1080, 1920), (202, 360)),
        ((405, 720), (202, 360)),
        ((641, 201), (640, 200)),
        ((320, 240), (320, 240)),
        ((321, 241), (320, 240)),
    ],
)
def test_sizes_are_fitted_even_and_never_enlarged(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitted_size(*size, IngestConfig()) == fitted
    width, height = fitted_size(*size, IngestConfig(size_multiple=16))
    assert width % 16 == height % 16 == 0
    assert width <= fitted[0]
    assert height <= fitted[1]


def test_a_clip_is_of_the_fitted_size(folder: Path) -> None:
    path = folder / "portrait.mp4"
    video.write(path, scene(12, 0, height=96, width=54), FPS)
    config = CONFIG.model_copy(update={"max_width": 64, "max_height": 48})
    [clip] = read_source(path, config)[1]
    assert (clip.width, clip.height) == (26, 48)
    window = video.read_window(path, clip.start_seconds, clip.end_seconds, clip.frames, clip.width, clip.height)
    assert window.frames.shape == (10, 48, 26, 3)
