"""Long videos through something that makes few frames at once: nothing is lost or doubled, and little is held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.base import Frame, Frames
from ditto_models.gpu.canvas import filled_canvas
from ditto_models.gpu.in_windows import in_windows
from ditto_models.gpu.windows import windows


def video(length: int) -> Frames:
    return np.random.default_rng(length).integers(0, 256, (length, 2, 3, 3), np.uint8)


@given(st.integers(1, 120), st.integers(0, 6), st.data())
def test_of_what_leaves_frames_alone_comes_the_same_video(length: int, fours: int, data: st.DataObject) -> None:
    longest = 4 * fours + 1
    plan = windows(length, longest, data.draw(st.integers(0, longest // 2)))
    source = video(length)
    made = np.stack(list(in_windows(source, plan, lambda number, frames, before: frames, "frame")))
    assert np.array_equal(made, source)


def test_looks_turn_into_each_other_and_each_window_sees_a_frame_of_the_one_before() -> None:
    source, plan = video(30), windows(30, 13, 4)
    seen: list[int | None] = []

    def look(number: int, frames: Frames, before: Frame | None) -> Frames:
        assert len(frames) == plan[number].frames
        seen.append(None if before is None else int(before[0, 0, 0]))
        return np.full_like(frames, 50 * (number + 1))

    made = np.stack(list(in_windows(source, plan, look, "frame")))[:, 0, 0, 0].astype(int)
    assert seen == [None, *(50 * number for number in range(1, len(plan)))]
    assert made[0] == 50
    assert made[-1] == 50 * len(plan)
    steps = np.diff(made)
    assert (steps >= 0).all()
    assert steps.max() <= 50 / 4, "no frame at which one look ends and another begins"
    seen.clear()
    list(in_windows(source, plan, look, "none"))
    assert seen == [None] * len(plan)


def test_the_frame_that_is_carried_is_one_that_both_windows_have() -> None:
    source, plan = video(40), windows(40, 17, 6)

    def same(number: int, frames: Frames, before: Frame | None) -> Frames:
        if number:
            shared = source[plan[number].begin : plan[number - 1].end]
            assert before is not None
            assert any(np.array_equal(frame, before) for frame in shared)
        return frames

    assert len(list(in_windows(source, plan, same, "frame"))) == 40


def test_frames_are_read_when_their_window_comes_and_given_out_when_it_is_made() -> None:
    read: list[int] = []

    def frames() -> Iterator[Frame]:
        for number, frame in enumerate(video(1000)):
            read.append(number)
            yield frame

    plan = windows(1000, 9, 2)
    made = in_windows(frames(), plan, lambda number, source, before: source, "none")
    for count, _ in enumerate(made, start=1):
        assert len(read) <= count + 9
    assert len(read) == 1000


def test_a_short_video_is_filled_up_backwards_and_a_video_that_ends_early_is_told() -> None:
    source, given_frames = video(7), list[Frames]()

    def keep(number: int, frames: Frames, before: Frame | None) -> Frames:
        given_frames.append(frames)
        return frames

    assert np.array_equal(np.stack(list(in_windows(source, windows(7, 81, 8), keep, "none"))), source)
    [filled] = given_frames
    assert np.array_equal(filled, source[[0, 1, 2, 3, 4, 5, 6, 5, 4]])
    with pytest.raises(ValueError, match="ends at frame 7; expected 20"):
        list(in_windows(source, windows(20, 9, 2), keep, "none"))


@given(st.integers(16, 4096), st.integers(16, 4096), st.sampled_from([832 * 480, 1280 * 720]))
def test_a_clip_of_any_size_is_made_near_the_size_that_was_trained_at(width: int, height: int, pixels: int) -> None:
    if not 1 / 4 <= width / height <= 4:
        return
    canvas = filled_canvas(width, height, 16, pixels)
    assert canvas.width % 16 == canvas.height % 16 == 0
    assert 0.9 * pixels <= canvas.width * canvas.height <= pixels
    assert canvas.used > 0.94
