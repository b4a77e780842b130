"""CLIP-T and CLIP-F, held against figures worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ditto_models.metrics.clip_scores import Vectors, clip_f, clip_t


def vectors(*rows: tuple[float, ...]) -> Vectors:
    return np.array(rows, np.float32)


def test_clip_t_is_a_hundred_times_the_mean_cosine_with_the_text() -> None:
    # 3-4-5 triangle: cosines with (1, 0) are 0.6 and 0.8; lengths do not count.
    assert clip_t(vectors((3, 4), (8, 6)), np.array([2, 0], np.float32)) == pytest.approx(70)
    assert clip_t(vectors((-1, 0)), np.array([5, 0], np.float32)) == pytest.approx(-100)
    assert clip_t(vectors((0, 1), (0, 7)), np.array([1, 0], np.float32)) == pytest.approx(0)


def test_clip_f_is_of_neighbours_and_not_of_all_pairs() -> None:
    # Neighbours: 0.6 and 0.8, mean 0.7. All pairs would have the first and the last as well, at 0.
    assert clip_f(vectors((1, 0), (0.6, 0.8), (0, 1))) == pytest.approx(70)
    assert clip_f(vectors((2, 0), (1, 0), (9, 0))) == pytest.approx(100)
    assert clip_f(vectors((1, 2, 3))) is None


@pytest.mark.parametrize(
    ("frames", "text"), [(np.empty((0, 2)), [1, 0]), ([[0, 0]], [1, 0]), ([[1, np.nan]], [1, 0]), ([[1, 0]], [1, 0, 0])]
)
def test_what_is_no_embedding_is_refused_and_never_zero(frames: object, text: object) -> None:
    with pytest.raises(ValueError, match=r"expected|dimensions"):
        clip_t(np.asarray(frames, np.float32), np.asarray(text, np.float32))


directions = arrays(np.float32, st.tuples(st.integers(2, 6), st.just(4)), elements=st.floats(0.125, 8, width=32))


@given(directions)
def test_clip_f_has_no_direction_of_time_and_standing_still_is_the_most(frames_TD: Vectors) -> None:
    moving = clip_f(frames_TD)
    assert moving is not None
    assert moving == pytest.approx(clip_f(frames_TD[::-1]))
    assert moving <= 100 + 1e-9
    assert clip_f(np.repeat(frames_TD[:1], 5, axis=0)) == pytest.approx(100)
