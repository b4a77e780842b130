"""Windows over long videos: every frame is covered, weights sum to 1, and what is mixed is what was made."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.gpu.windows import windows


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int, int]:
    longest = 4 * draw(st.integers(0, 30)) + 1
    return draw(st.integers(1, 1500)), longest, draw(st.integers(0, longest // 2))


@given(sizes())
def test_windows_cover_every_frame_overlap_and_sum_to_one(size: tuple[int, int, int]) -> None:
    length, longest, overlap = size
    made = windows(length, longest, overlap)
    sums = [0.0] * length
    for window in made:
        assert window.frames % 4 == 1
        assert window.frames <= longest
        assert window.shown == len(window.weights) == min(window.frames, length)
        for place, weight in enumerate(window.weights):
            assert 0 < weight <= 1
            sums[window.begin + place] += weight
    assert sums == pytest.approx([1.0] * length)
    assert made[0].begin == 0
    assert made[-1].end == length
    assert len({window.frames for window in made}) == 1
    for before, after in pairwise(made[:2]):
        falling = before.weights[after.begin :]
        assert all(first > second for first, second in pairwise(falling)), "no frame is half of each for long"
    for before, after in pairwise(made):
        assert before.begin < after.begin, "each goes on"
        assert before.end - after.begin >= overlap
    at_least = max(1, -(-(length - overlap) // (longest - overlap)))
    assert len(made) == at_least, "no more than it takes"
    if len(made) == 1:
        assert made[0].frames < length + 4


def test_a_little_too_long_costs_two_short_windows_and_no_two_long_ones() -> None:
    first, second = windows(110, 101, 12)
    assert (first.frames, second.frames) == (61, 61)
    assert first.weights[:40] == (1.0,) * 40
    falling = first.weights[second.begin :]
    assert list(falling) == sorted(falling, reverse=True)
    assert falling[0] > 0.9 > 0.1 > falling[-1]


@pytest.mark.parametrize(
    ("length", "longest", "overlap", "said"),
    [(0, 9, 2, "no windows"), (20, 10, 2, "4k\\+1"), (20, 9, 5, "0 to 4"), (20, 9, -1, "0 to 4")],
)
def test_what_is_no_window_is_refused(length: int, longest: int, overlap: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        windows(length, longest, overlap)
