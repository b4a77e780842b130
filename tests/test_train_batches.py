"""Which pairs are trained on when: all as often, of one bucket a step, easy ones first where the curriculum says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.batches import plans
from ditto_models.train.curriculum import Curriculum, Dial
from ditto_models.train.difficulty import easiest_first
from ditto_models.train.pairs import TrainingPair
from tests.training_pairs import TALL, WIDE, a_pair, pairs_of

ALL = Curriculum()
SIZES = st.integers(1, 30)


@given(wide=SIZES, tall=SIZES, batch=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_step_is_one_whole_batch_of_one_bucket_and_follows_from_the_arguments(
    wide: int, tall: int, batch: int, seed: int
) -> None:
    pairs = pairs_of({WIDE: wide, TALL: tall})
    home = {pair.id: bucket for pair, bucket in pairs}
    steps = list(islice(plans(pairs, ALL, seed, batch), 30))
    assert steps == list(islice(plans(pairs, ALL, seed, batch), 30))
    for plan in steps:
        assert len(plan.pairs) == batch
        assert {home[pair.id] for pair in plan.pairs} == {plan.bucket}
        if batch <= {WIDE: wide, TALL: tall}[plan.bucket]:
            assert len({pair.id for pair in plan.pairs}) == batch, "no pair twice in a step that can do without"


@given(size=st.integers(1, 40), batch=st.integers(1, 9), steps=st.integers(1, 60))
def test_every_pair_of_one_bucket_comes_once_before_any_comes_twice(size: int, batch: int, steps: int) -> None:
    drawn = _drawn(pairs_of({WIDE: size}), ALL, batch, steps)
    assert max(drawn.values()) - min(drawn.values()) <= 1


@given(wide=st.integers(8, 40), tall=st.integers(8, 40), batch=st.integers(1, 8), steps=st.integers(1, 60))
def test_of_several_buckets_none_is_more_than_a_filled_up_step_ahead(
    wide: int, tall: int, batch: int, steps: int
) -> None:
    drawn = _drawn(pairs_of({WIDE: wide, TALL: tall}), ALL, batch, steps)
    assert max(drawn.values()) - min(drawn.values()) <= 2


def test_a_bucket_smaller_than_a_batch_is_drawn_no_more_often_in_the_long_run() -> None:
    drawn = _drawn(pairs_of({WIDE: 40, TALL: 1}), ALL, 8, 410)
    assert drawn["p0040"] == pytest.approx(410 * 8 / 41, abs=8)


def test_another_seed_is_another_order() -> None:
    pairs = pairs_of({WIDE: 30})
    assert next(plans(pairs, ALL, 0, 8)) != next(plans(pairs, ALL, 1, 8))


@given(
    wide=SIZES,
    tall=SIZES,
    batch=st.integers(1, 8),
    start=st.floats(0, 1),
    end=st.floats(0, 1),
    steps=st.integers(1, 20),
)
def test_only_the_easiest_share_is_drawn(
    wide: int, tall: int, batch: int, start: float, end: float, steps: int
) -> None:
    pairs = pairs_of({WIDE: wide, TALL: tall})
    dial = Dial(start=start, end=end, anneal_steps=steps)
    for step, plan in enumerate(islice(plans(pairs, Curriculum(order=dial), 0, batch), 2 * steps)):
        allowed = max(batch, dial.at(step) * len(pairs))
        assert all(int(pair.id[1:]) < allowed for pair in plan.pairs)


def test_pairs_that_are_let_in_join_the_round_that_goes_on() -> None:
    dial = Dial(start=0.5, end=1.0, schedule="step", anneal_steps=6)
    steps = list(islice(plans(pairs_of({WIDE: 40}), Curriculum(order=dial), 0, 4), 10))
    assert all(int(pair.id[1:]) < 20 for plan in steps[:3] for pair in plan.pairs)
    assert any(int(pair.id[1:]) >= 20 for pair in steps[3].pairs + steps[4].pairs)
    assert Counter(pair.id for plan in steps for pair in plan.pairs) == {f"p{place:04d}": 1 for place in range(40)}


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="0 pairs in batches of 4"):
        next(plans([], ALL, 0, 4))


def test_easy_are_kinds_that_keep_shapes_and_pairs_that_the_critic_liked() -> None:
    pairs = [
        a_pair("hard kind", "remove", {"edit_applied": 0.9, "safety": 1.0}),
        a_pair("weak", "style", {"edit_applied": 0.5, "safety": 1.0}),
        a_pair("unheard of", "teleport", {"edit_applied": 0.9, "safety": 0.0}),
        a_pair("plain", "style", {"edit_applied": 0.9, "safety": 0.0}),
    ]
    assert [pairs[place].id for place in easiest_first(pairs)] == ["plain", "weak", "unheard of", "hard kind"]


def test_an_axis_that_was_not_judged_counts_as_the_mean_of_those_that_were() -> None:
    pairs = [
        a_pair("unjudged", scores={"edit_applied": 0.8, "source_motion": None}),
        a_pair("poor", scores={"edit_applied": 0.8, "source_motion": 0.2}),
        a_pair("good", scores={"edit_applied": 0.8, "source_motion": 0.9}),
    ]
    assert [pairs[place].id for place in easiest_first(pairs)] == ["good", "unjudged", "poor"]
    bare = [a_pair("add", "add"), a_pair("style", "style")]
    assert easiest_first(bare).tolist() == [1, 0]


def _drawn(
    pairs: Sequence[tuple[TrainingPair, Bucket]], curriculum: Curriculum, batch: int, steps: int
) -> Counter[str]:
    drawn = Counter({pair.id: 0 for pair, _ in pairs})
    for plan in islice(plans(pairs, curriculum, 0, batch), steps):
        drawn.update(pair.id for pair in plan.pairs)
    return drawn
