"""One file looked at: shots, windows, sizes, and a named reason for whatever gives no clip."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from agent.clip_rules import Check, IngestConfig, fitted_size
from agent.profile import Profile
from agent.survey import Survey, survey
from ditto_models import video
from tests.fake_run import fake_profile
from tests.scenes import FPS, scene, write_at, write_shots
from tools.sample_clip import write_window


def profile(*checks: Check) -> Profile:
    return fake_profile("clips.frames=10", "clips.min_height=32", f"clips.checks=[{', '.join(checks)}]")


def look(path: Path, *checks: Check) -> Survey:
    return survey(str(path), profile(*checks).model_dump_json())


def reason_of(path: Path, *checks: Check) -> str:
    found = look(path, *checks)
    assert found.windows == ()
    return found.rejected


def dropped(path: Path, *checks: Check) -> list[str]:
    return [window.dropped for window in look(path, *checks).windows]


def starts(found: Survey) -> list[int]:
    return [round(window.clip.start_seconds * FPS) for window in found.windows]


def test_windows_lie_within_shots_and_leave_their_ends_out(tmp_path: Path) -> None:
    path = write_shots(tmp_path / "two.mp4", 24, 36)
    found = look(path)
    assert starts(found) == [2, 12, 27, 37, 47]
    clips = [window.clip for window in found.windows]
    assert all(round((clip.end_seconds - clip.start_seconds) * FPS) == clip.frames == 10 for clip in clips)
    assert len({clip.clip_id for clip in clips}) == 5
    assert {clip.sha256 for clip in clips} == {hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_short_shot_between_long_ones_is_cut_out(tmp_path: Path) -> None:
    assert starts(look(write_shots(tmp_path / "insert.mp4", 20, 6, 20))) == [0, 10, 26, 36]


def test_a_window_read_back_is_of_one_shot(tmp_path: Path) -> None:
    path = write_shots(tmp_path / "two.mp4", 14, 16)
    whole = video.read(path).frames
    for window, first in zip(look(path).windows, (2, 17), strict=True):
        clip = window.clip
        read = video.read_window(path, clip.start_seconds, clip.end_seconds, clip.frames, clip.width, clip.height)
        assert np.array_equal(read.frames, whole[first : first + 10])


def test_too_short_and_too_small_are_reasons(tmp_path: Path) -> None:
    assert reason_of(write_shots(tmp_path / "short.mp4", 9)) == "too short: no shot reaches 10 frames"
    small = write_shots(tmp_path / "small.mp4", 20, height=24)
    assert reason_of(small) == "too small: 64x24, expected at least 32 lines"


@pytest.mark.parametrize(
    "content", [b"these are words, not a video\n" * 40, b"", b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 99]
)
def test_what_is_no_video_is_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.mp4"
    path.write_bytes(content)
    assert reason_of(path).startswith("unreadable: cannot read ")


def test_a_video_cut_off_in_the_middle_is_truncated(tmp_path: Path) -> None:
    whole = write_shots(tmp_path / "whole.mp4", 60).read_bytes()
    path = tmp_path / "part.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert reason_of(path).startswith("truncated: its header promises 2.4 s")


def test_a_file_gives_only_so_many_clips_and_says_so(tmp_path: Path) -> None:
    path = write_shots(tmp_path / "long.mp4", 60)
    few = fake_profile("clips.frames=10", "clips.min_height=32", "clips.max_per_source=3")
    found = survey(str(path), few.model_dump_json())
    assert (len(found.windows), found.note) == (3, "looked at for 3 clips only")


def test_black_frames_are_dropped_and_a_dark_scene_is_not(tmp_path: Path) -> None:
    moving = scene(30, 0)
    video.write(tmp_path / "black.mp4", np.concatenate([moving, np.full_like(moving[:10], 3)]), FPS)
    assert dropped(tmp_path / "black.mp4", "black") == ["", "", "", "black: 10 of 10 frames are black or of one colour"]
    video.write(tmp_path / "dark.mp4", np.asarray(moving // 5, np.uint8), FPS)
    assert dropped(tmp_path / "dark.mp4", "black") == ["", "", ""]


def test_stills_are_frozen_and_cartoons_on_threes_are_not(tmp_path: Path) -> None:
    video.write(tmp_path / "still.mp4", scene(1, 0).repeat(20, axis=0), FPS)
    assert dropped(tmp_path / "still.mp4", "frozen") == ["frozen: 9 frames in a row repeat the one before"] * 2
    video.write(tmp_path / "threes.mp4", scene(8, 0).repeat(3, axis=0)[:20], FPS)
    assert dropped(tmp_path / "threes.mp4", "frozen") == ["", ""]


def test_a_still_in_film_grain_has_low_motion_and_a_slow_pan_has_not(tmp_path: Path) -> None:
    grain = np.random.default_rng(0).normal(0, 5, (20, 48 * 4, 64 * 4, 3))
    still = scene(1, 0, 48 * 4, 64 * 4).repeat(20, axis=0)
    video.write(tmp_path / "grain.mp4", np.clip(still + grain, 0, 255).astype(np.uint8), FPS, crf=23)
    assert [reason.split(":")[0] for reason in dropped(tmp_path / "grain.mp4", "low_motion")] == ["low motion"] * 2
    video.write(tmp_path / "pan.mp4", scene(20, 0, 48 * 4, 64 * 4), FPS)
    assert dropped(tmp_path / "pan.mp4", "low_motion") == ["", ""]


def test_a_variable_rate_gives_clips_where_it_is_even_enough(tmp_path: Path) -> None:
    gaps = [0.04] * 12 + [0.033, 0.05] * 10 + [0.5] + [0.04] * 15
    seconds = np.concatenate([[0], np.cumsum(gaps)])
    path = write_at(tmp_path / "vfr.mp4", scene(len(seconds), 0), seconds.tolist())
    found = look(path, "uneven_rate")
    kinds = [window.dropped.split(":")[0] for window in found.windows]
    assert kinds == ["", "", "uneven rate", ""]
    whole = video.read(path).frames
    for place, window in enumerate(found.windows):
        clip = window.clip
        read = video.read_window(path, clip.start_seconds, clip.end_seconds, clip.frames, clip.width, clip.height)
        first = len(seconds) % 10 // 2 + 10 * place
        assert np.array_equal(read.frames, whole[first : first + 10])


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


def test_a_faster_source_is_brought_down_to_the_rate_evenly_and_a_slower_one_is_left(tmp_path: Path) -> None:
    config = fake_profile("clips.frames=10", "clips.min_height=32", "clips.checks=[text]", "clips.fps=20")
    for fps, span in ((30.0, 14), (60.0, 28), (25.0, 12), (20.0, 10), (15.0, 10)):
        path = tmp_path / f"{fps}.mp4"
        video.write(path, scene(2 * span + 1, 0), fps)
        found = survey(str(path), config.model_dump_json()).windows
        assert [window.dropped for window in found] == ["", ""]
        whole = video.read(path).frames
        for place, window in enumerate(found):
            clip, step = window.clip, max(1.0, fps / 20)
            read = video.read_window(path, clip.start_seconds, clip.end_seconds, 10, 64, 48, most_fps=clip.fps)
            assert np.array_equal(read.frames, whole[[place * span + int(number * step) for number in range(10)]])
            write_window(clip, str(tmp_path / "clip.mp4"))
            made = video.read(tmp_path / "clip.mp4")
            assert made.fps == clip.fps == min(fps, 20)
            assert made.frames.shape == read.frames.shape


def test_a_shot_must_hold_all_that_a_clip_reaches_over(tmp_path: Path) -> None:
    config = fake_profile("clips.frames=10", "clips.min_height=32", "clips.fps=20")
    video.write(tmp_path / "short.mp4", scene(13, 0), 30.0)
    found = survey(str(tmp_path / "short.mp4"), config.model_dump_json())
    assert found.rejected == "too short: no shot reaches 14 frames of its 30 a second, for 10 at 20"
