"""Containers and codecs that index their frames badly: what is measured of a window is what is read back of it."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from agent.survey import Survey, survey
from ditto_models import video
from ditto_models.base import Frames
from tests.fake_run import fake_profile
from tests.scenes import scene

FRAMES = 150
PROFILE = fake_profile("clips.frames=10", "clips.min_height=32", "clips.checks=[uneven_rate]").model_dump_json()


def write_coded(path: Path, codec: str, frames: Frames, gop: int = 140, b_frames: int = 2, title: str = "") -> Path:
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        options = {"bf": str(b_frames), "g": str(gop)}
        stream = cast(VideoStream, container.add_stream(codec, rate=Fraction(25), options=options))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def look(path: Path) -> Survey:
    return survey(str(path), PROFILE)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.ts", "libx264"),
        ("a.mpg", "mpeg2video"),
        ("a.avi", "mpeg4"),
    ],
)
def test_every_window_read_back_is_the_one_that_was_measured(tmp_path: Path, name: str, codec: str) -> None:
    path = write_coded(tmp_path / name, codec, scene(FRAMES, 3, 96, 160))
    whole = video.read(path).frames
    windows = look(path).windows
    assert len(windows) >= 14
    assert not [window.dropped for window in windows if window.dropped]
    margin = len(whole) % 10 // 2
    for number, clip in enumerate(window.clip for window in windows):
        read = video.read_window(path, clip.start_seconds, clip.end_seconds, clip.frames, 160, 96).frames
        first = margin + 10 * number
        assert np.array_equal(read, whole[first : first + 10]), f"window {number} of {name}"


def test_a_picture_that_changes_its_size_is_a_reason(tmp_path: Path) -> None:
    parts = [
        write_coded(tmp_path / "wide.ts", "libx264", scene(30, 1, 96, 160)),
        write_coded(tmp_path / "high.ts", "libx264", scene(30, 2, 160, 96)),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = look(path)
    assert found.windows == ()
    assert found.rejected.startswith("unreadable: ")
    assert "change size" in found.rejected


def test_a_title_that_is_no_utf8_is_nobodys_business(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "title.mp4", "libx264", scene(30, 1), title="Ete a la plage")
    path.write_bytes(path.read_bytes().replace(b"Ete a la plage", "Été à la plage".encode("latin-1")))
    assert len(look(path).windows) == 3


def test_what_no_rule_foresaw_is_a_reason_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_coded(tmp_path / "a.mp4", "libx264", scene(30, 1))

    def broken(path: str) -> video.Probe:
        raise IndexError("list index out of range")

    monkeypatch.setattr(video, "probe", broken)
    assert look(path).rejected == "unreadable: looking at it failed (IndexError: list index out of range)"
