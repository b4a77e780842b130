"""A stranger's file is made anew or refused in one line; nothing but the file itself is ever opened."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from agent.conversation.transcode import Refused, transcode
from agent.conversation.uploads import UploadConfig, UploadRefused, take_upload, upload_path
from ditto_models import video
from tests.clips_with_sound import make_clip
from tests.scenes import scene


def text(path: Path) -> None:
    path.write_text("these are words\n" * 100)


def picture(path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", np.zeros((96, 128, 3), np.uint8))[1].tobytes())


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film", bytes(20_000_000))


def playlist(path: Path) -> None:
    whole(path.with_name("secret.mp4"))
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path.with_name('secret.mp4')}\n#EXT-X-ENDLIST\n")


def parts(path: Path) -> None:
    whole(path.with_name("secret.mp4"))
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")


def whole(path: Path) -> None:
    video.write(path, scene(24, 1, 96, 128), 24.0)


def still(path: Path) -> None:
    video.write(path, scene(1, 1, 96, 128), 24.0)


def quick(path: Path) -> None:
    video.write(path, scene(24, 1, 96, 128), 500.0)


def tiny(path: Path) -> None:
    video.write(path, scene(4, 1, 16, 16), 24.0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text, "cannot be read as a video"),
        (picture, "cannot be read as a video"),
        (bomb, "cannot be read as a video"),
        (playlist, "cannot be read as a video"),
        (parts, "cannot be read as a video"),
        (still, "a still picture"),
        (quick, "500 frames a second; at most 240"),
        (tiny, "16 x 16 pixels; expected 64"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / "film.mp4")
    with pytest.raises(Refused, match=said) as caught:
        transcode(str(tmp_path / "film.mp4"), str(tmp_path / "kept.mp4"), UploadConfig().model_dump_json())
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_more_than_the_limits_is_refused(tmp_path: Path) -> None:
    whole(tmp_path / "film.mp4")
    limits = UploadConfig(max_seconds=0.5).model_dump_json()
    with pytest.raises(Refused, match="minutes long"):
        transcode(str(tmp_path / "film.mp4"), str(tmp_path / "kept.mp4"), limits)
    with pytest.raises(UploadRefused, match="too large"):
        take_upload(tmp_path, tmp_path / "film.mp4", UploadConfig(max_bytes=100))
    assert not list(tmp_path.glob("uploads/*"))


def test_the_first_seconds_are_kept_at_an_even_rate_and_no_larger_than_shown(tmp_path: Path) -> None:
    video.write(tmp_path / "film.mp4", scene(60, 1, 200, 128), 120.0)
    limits = UploadConfig(keep_seconds=0.25, keep_lines=64).model_dump_json()
    facts = transcode(str(tmp_path / "film.mp4"), str(tmp_path / "kept.mp4"), limits)
    assert (facts.width, facts.height, facts.frames, facts.fps) == (64, 100, 15, 60.0)
    kept, given = video.read(tmp_path / "kept.mp4"), video.read(tmp_path / "film.mp4")
    assert kept.frames.shape == (15, 100, 64, 3)
    for place in (0, 7, 14):
        apart = [np.abs(video.fill(frame, 64, 100).astype(int) - kept.frames[place]).mean() for frame in given.frames]
        assert int(np.argmin(apart)) == 2 * place


def test_what_a_phone_turned_is_upright_when_it_is_made_small(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mov", (0, 40, 80), width=256, height=192, degrees=90)
    facts = transcode(str(film), str(tmp_path / "kept.mp4"), UploadConfig(keep_lines=96).model_dump_json())
    kept, given = video.read(tmp_path / "kept.mp4"), video.read(film)
    assert (facts.width, facts.height) == (96, 128)
    assert np.abs(video.fill(given.frames[2], 96, 128).astype(int) - kept.frames[2]).mean() < 4


@pytest.mark.slow
def test_a_video_is_kept_once_without_sound_and_its_name_is_its_content(tmp_path: Path) -> None:
    film = tmp_path / "<script>.mov"
    make_clip(film, tuple(range(0, 400, 40)), width=128, height=96, sound="aac", degrees=90)
    taken = take_upload(tmp_path, film)
    assert (taken.width, taken.height, taken.frames) == (96, 128, 10)
    assert take_upload(tmp_path, film) == taken
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == [taken.name]
    with av.open(str(upload_path(tmp_path, taken.name))) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    for name in ("../config.yaml", "0" * 64 + ".mp4", f"../uploads/{taken.name}"):
        with pytest.raises(UploadRefused, match="no uploaded video"):
            upload_path(tmp_path, name)
    for given in (film, tmp_path / "again.mov"):  # known already, and not yet
        given.write_bytes(film.read_bytes() + (b"" if given == film else b"0"))
        with pytest.raises(UploadRefused, match="too short: 10 frames, expected at least 49 frames"):
            take_upload(tmp_path, given, UploadConfig(min_frames=49))
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == [taken.name]
    (tmp_path / "words.mp4").write_text("no film")
    with pytest.raises(UploadRefused, match="cannot be read as a video"):
        take_upload(tmp_path, tmp_path / "words.mp4")
