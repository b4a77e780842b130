"""A video that stands in for another: the same frames, shown at the same moments, with the same sound; or no file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ditto_models.container import VideoError
from ditto_models.retold import retold
from ditto_models.timeline import Timeline, frames_of, timeline_of
from tests.clips_with_sound import MILLISECOND, SAMPLE_RATE, make_clip

STEADY = tuple(range(0, 1200, 40))
UNEVEN = (0, 40, 100, 400, 520, 540, 900, 1000, 1033, 1500)


def retell(source: Path, out: Path) -> tuple[Timeline, str]:
    timeline = timeline_of(source)
    with retold(out, timeline) as writing:
        for frame in frames_of(timeline):
            writing.put(frame)
    return timeline, writing.sound


def seconds_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert None not in times
    return [float(time or 0) - float(times[0] or 0) for time in times]


def sound_of(path: Path) -> tuple[str, int, float]:
    """Coder, samples, and when the first is heard after the first frame is shown."""
    with av.open(str(path)) as container:
        first_frame = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        heard = list(container.decode(audio=0))
        coder = container.streams.audio[0].codec_context.codec.canonical_name
    return coder, sum(frame.samples for frame in heard), float(heard[0].time or 0) - float(first_frame or 0)


@pytest.mark.parametrize("moments", [STEADY, UNEVEN], ids=["steady", "uneven"])
@pytest.mark.parametrize(
    ("name", "out", "sound"),
    [
        ("a.mp4", "b.mp4", "aac"),
        ("a.mkv", "b.mov", "mp3"),
        ("a.mov", "b.mkv", "pcm_s16le"),
        ("a.ts", "b.mp4", "aac"),
        ("a.mkv", "b.mp4", "pcm_s16le"),
        ("a.mp4", "b.mp4", ""),
    ],
)
def test_frames_moments_and_sound_are_the_sources(
    tmp_path: Path, moments: tuple[int, ...], name: str, out: str, sound: str
) -> None:
    source, other = make_clip(tmp_path / name, moments, sound=sound), tmp_path / out
    timeline, kept = retell(source, other)
    again = timeline_of(other)
    assert (again.width, again.height, again.frames) == (64, 48, len(moments))
    assert timeline.is_steady == (moments == STEADY)
    assert seconds_of(other) == pytest.approx(seconds_of(source), abs=1e-3)
    if moments == STEADY:
        assert again.rate == timeline.rate == 25
    assert kept == ("kept" if sound else "none")
    if sound:
        coder, samples, late = sound_of(source)
        coder_now, samples_now, late_now = sound_of(other)
        assert coder_now == coder
        assert samples_now == pytest.approx(samples, abs=2048)
        assert late_now == pytest.approx(max(late, 0), abs=1e-3), "at most what is before the first frame is left out"
        assert samples > SAMPLE_RATE
    for one, two in zip(frames_of(timeline), frames_of(again), strict=True):
        assert np.abs(one.astype(int) - two).mean() < 3


def test_a_rate_that_milliseconds_cannot_hold_is_kept(tmp_path: Path) -> None:
    moments = tuple(round(number * 1000 / 24) for number in range(25))
    source = make_clip(tmp_path / "a.mkv", moments, rate=24)
    retell(source, tmp_path / "b.mp4")
    assert timeline_of(tmp_path / "b.mp4").rate == timeline_of(source).rate == 24


def test_uneven_frames_last_as_long_on_the_whole(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", UNEVEN)
    timeline, _ = retell(source, tmp_path / "b.mp4")
    assert not timeline.is_steady
    assert timeline_of(tmp_path / "b.mp4").rate == pytest.approx(timeline.rate)


@pytest.mark.parametrize(("layout", "told"), [("stereo", "kept"), ("5.1", "left out: this pcm_s16le cannot be copied")])
def test_sound_that_the_format_would_refuse_at_the_end_of_the_file_is_left_out(
    tmp_path: Path, layout: str, told: str
) -> None:
    source = make_clip(tmp_path / "a.mkv", STEADY, sound="pcm_s16le", layout=layout)
    _, kept = retell(source, tmp_path / "b.mp4")
    assert kept.startswith(told)
    assert len(list(frames_of(timeline_of(tmp_path / "b.mp4")))) == len(STEADY)


def test_odd_sides_and_turned_pictures_are_kept(tmp_path: Path) -> None:
    odd = make_clip(tmp_path / "odd.mp4", STEADY, width=63, height=47)
    retell(odd, tmp_path / "out.mp4")
    made = timeline_of(tmp_path / "out.mp4")
    assert (made.width, made.height) == (63, 47)
    turned = make_clip(tmp_path / "turned.mp4", STEADY, degrees=90)
    retell(turned, tmp_path / "upright.mp4")
    made = timeline_of(tmp_path / "upright.mp4")
    assert (made.width, made.height) == (48, 64)
    first, made_first = next(frames_of(timeline_of(turned))), next(frames_of(made))
    assert np.abs(first.astype(int) - made_first).mean() < 3


def test_a_late_start_is_no_late_start_of_the_copy(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "late.mkv", tuple(moment + 5000 for moment in STEADY), sound="aac", begins=5000)
    retell(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).time == pytest.approx(0, abs=0.05)
    assert sound_of(tmp_path / "out.mp4")[2] == pytest.approx(sound_of(source)[2], abs=1e-2)


def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path: Path) -> None:
    timeline = timeline_of(make_clip(tmp_path / "a.mp4", STEADY))
    out = tmp_path / "out"
    out.mkdir()
    frames = list(frames_of(timeline))

    def stopped() -> None:
        with retold(out / "b.mp4", timeline) as writing:
            writing.put(frames[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not list(out.iterdir())
    with pytest.raises(VideoError, match="1 frames were written; expected 30"), retold(out / "b.mp4", timeline) as one:
        one.put(frames[0])
    assert not list(out.iterdir())
    (out / "b.mp4").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (out / "b.mp4").read_bytes() == b"before"
    with pytest.raises(FileNotFoundError), retold(tmp_path / "nowhere" / "b.mp4", timeline):
        pytest.fail("what cannot be written is told before the first frame")


def test_what_is_no_video_or_was_changed_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match="cannot read"):
        timeline_of(tmp_path / "text.mp4")
    source = make_clip(tmp_path / "a.mp4", STEADY)
    timeline = timeline_of(source)
    make_clip(source, STEADY[:10])
    with pytest.raises(VideoError, match="has 10 frames, and had 30"):
        list(frames_of(timeline))
    assert timeline.tick <= MILLISECOND or timeline.tick == Fraction(1, 25)
