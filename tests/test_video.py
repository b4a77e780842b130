from pathlib import Path

import numpy as np
import pytest

from ditto_models import video
from tests.moving_scene import moving_scene

FRAMES = moving_scene(num_frames=12, height=96, width=160).frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    video.write(path, FRAMES, 25.0)
    return path


def test_what_is_written_is_read_back_nearly_the_same(clip: Path) -> None:
    found = video.read(clip)
    assert found.frames.shape == FRAMES.shape
    assert found.fps == 25.0
    difference = found.frames.astype(int) - FRAMES
    assert np.abs(difference).mean() < 3
    assert np.abs(difference.mean(axis=(0, 1, 2))).max() < 0.5


def test_equal_frames_give_equal_bytes(clip: Path, tmp_path: Path) -> None:
    video.write(tmp_path / "again.mp4", FRAMES, 25.0)
    assert (tmp_path / "again.mp4").read_bytes() == clip.read_bytes()


def test_saturated_colours_survive(tmp_path: Path) -> None:
    colours = np.array([[250, 20, 20], [20, 250, 20], [20, 20, 250], [240, 240, 20]], np.uint8)
    frames = np.repeat(colours[:, None, None], 64, axis=1).repeat(64, axis=2)
    video.write(tmp_path / "colours.mp4", frames, 10)
    assert np.abs(video.read(tmp_path / "colours.mp4").frames.astype(int) - frames).max() <= 6


@pytest.mark.parametrize("fps", [24.0, 25.0, 30000 / 1001, 12.5])
def test_rate_and_length_are_kept(tmp_path: Path, fps: float) -> None:
    video.write(tmp_path / "clip.mp4", FRAMES, fps)
    found = video.probe(tmp_path / "clip.mp4")
    assert (found.width, found.height, found.frames, found.codec) == (160, 96, 12, "h264")
    assert found.fps == pytest.approx(fps, rel=1e-6)
    assert found.duration_seconds == pytest.approx(12 / fps)


def test_a_window_holds_the_frames_shown_in_it(clip: Path) -> None:
    whole = video.read(clip).frames
    window = video.read_window(clip, 3 / 25, 8 / 25, 100, 160, 96)
    assert np.array_equal(window.frames, whole[3:8])
    assert np.array_equal(video.read_window(clip, 0.2, None, 4, 160, 96).frames, whole[5:9])


def test_a_window_after_a_seek_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    video.write(path, np.concatenate([FRAMES] * 8), 25.0)
    whole = video.read(path).frames
    assert np.array_equal(video.read_window(path, 60 / 25, 70 / 25, 99, 160, 96).frames, whole[60:70])


def test_another_shape_is_cropped_not_stretched(clip: Path) -> None:
    whole = video.read(clip).frames[0]
    square = video.read_window(clip, 0, None, 1, 96, 96).frames[0]
    assert np.array_equal(square, whole[:, 32:128])
    assert video.read_window(clip, 0, None, 1, 80, 48).frames.shape == (1, 48, 80, 3)


def test_what_is_no_video_is_named_in_the_error(tmp_path: Path, clip: Path) -> None:
    text = tmp_path / "words.mp4"
    text.write_text("not a video")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:200])
    for path in (text, cut, tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(video.VideoError, match=path.name):
            video.read(path)
        with pytest.raises(video.VideoError, match="expected"):
            video.probe(path)


def test_an_empty_window_is_an_error(clip: Path) -> None:
    with pytest.raises(video.VideoError, match="earlier window"):
        video.read_window(clip, 9.0, None, 5, 160, 96)


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        (FRAMES[:, :95], 25.0, "odd"),
        (FRAMES[..., 0], 25.0, "THWC"),
        (FRAMES.astype(np.float32), 25.0, "uint8"),
        (FRAMES[:0], 25.0, "THWC"),
        (FRAMES, 0.0, "rate"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, frames: np.ndarray, fps: float, message: str) -> None:
    with pytest.raises(video.VideoError, match=message):
        video.write(tmp_path / "clip.mp4", frames, fps)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(video.VideoError, match="check its folder"):
        video.write(tmp_path / "none" / "clip.mp4", FRAMES, 25.0)
