"""The curriculum's dials hold at every step what their settings say, and every sample draws for itself."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.train.curriculum import Curriculum, Dial, Schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [1, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        ("cosine", [1, 1, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0, 0]),
        ("step", [1, 1, 1, 1, 0, 0, 0, 0]),
        ("off", [1] * 8),
    ],
)
def test_the_probability_follows_its_schedule_to_the_step(schedule: Schedule, expected: list[float]) -> None:
    dial = Dial(schedule=schedule, start=1.0, end=0.0, hold_steps=2, anneal_steps=4)
    assert [dial.at(step) for step in range(8)] == pytest.approx(expected, abs=1e-12)


def test_as_in_the_paper_the_key_frame_is_gone_after_5000_steps() -> None:
    dial = Dial()
    assert (dial.at(0), dial.at(1250), dial.at(4999), dial.at(5000), dial.at(16000)) == (1, 0.75, 1 - 4999 / 5000, 0, 0)


@given(
    schedule=st.sampled_from(["linear", "cosine", "step", "off"]),
    start=st.floats(0, 1),
    end=st.floats(0, 1),
    hold=st.integers(0, 50),
    anneal=st.integers(1, 50),
)
def test_a_dial_goes_from_its_start_to_its_end_and_never_back(
    schedule: Schedule, start: float, end: float, hold: int, anneal: int
) -> None:
    dial = Dial(schedule=schedule, start=start, end=end, hold_steps=hold, anneal_steps=anneal)
    values = [dial.at(step) for step in range(hold + anneal + 5)]
    assert values[: hold + 1] == [start] * (hold + 1)
    assert values[-1] == pytest.approx(start if schedule == "off" else end, abs=1e-12)
    way = math.copysign(1, end - start)
    assert all((after - before) * way >= -1e-12 for before, after in pairwise(values))


def test_each_sample_of_a_batch_draws_for_itself() -> None:
    curriculum = Curriculum(key_frame=Dial(schedule="off", start=0.5))
    batches = [tuple(curriculum.gives_key_frame(0, step, place) for place in range(8)) for step in range(50)]
    mixed = [batch for batch in batches if 0 < sum(batch) < 8]
    assert len(mixed) >= 45
    assert len(set(batches)) >= 40
    assert batches == [tuple(curriculum.gives_key_frame(0, step, place) for place in range(8)) for step in range(50)]


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_of_many_samples_the_probability_is_the_share_that_is_given_it(probability: float) -> None:
    curriculum = Curriculum(key_frame=Dial(schedule="off", start=probability))
    given_it = [curriculum.gives_key_frame(3, step, place) for step in range(500) for place in range(16)]
    slack = 4 * math.sqrt(probability * (1 - probability) / len(given_it))
    assert sum(given_it) / len(given_it) == pytest.approx(probability, abs=slack)


def test_the_share_of_given_frames_falls_with_the_steps() -> None:
    curriculum = Curriculum(key_frame=Dial(anneal_steps=400))
    shares = [
        sum(curriculum.gives_key_frame(0, step, place) for step in range(begin, begin + 100) for place in range(16))
        / 1600
        for begin in range(0, 400, 100)
    ]
    assert shares == pytest.approx([0.875, 0.625, 0.375, 0.125], abs=0.05)
