"""Two sets of samples held against each other: intervals as published, figures as counted, matches used once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.compare import FEWEST, Share, compare, difference, matches, side
from memory.outcomes import Outcome


def outcome(
    decision: str = "accepted", clip: str = "c", text: str = "snow", edit_type: str = "weather", **scores: float | None
) -> Outcome:
    return Outcome(
        id="s",
        decision=decision,
        conversation=False,
        clip_id=clip,
        edit_type=edit_type,
        instruction=text,
        prompts="p",
        model_seconds=2.0,
        reasons=("steady",) if decision == "rejected" else (),
        scores=dict(scores),
        failed=frozenset(axis for axis, value in scores.items() if value is not None and value < 0.5),
    )


def test_intervals_are_the_published_ones() -> None:
    assert Share(num=81, of=263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998, table I
    assert Share(num=0, of=20).interval == pytest.approx((0, 0.1611), abs=5e-5)
    found = difference(Share(num=48, of=80), Share(num=56, of=70))  # the same, table II (a)
    assert found.value == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.words == "the second accepts more"


shares = st.integers(0, 400).flatmap(lambda of: st.builds(Share, num=st.integers(0, of), of=st.just(of)))


@given(first=shares, second=shares)
def test_a_difference_turns_round_with_its_sides_and_holds_its_value(first: Share, second: Share) -> None:
    one, other = difference(first, second), difference(second, first)
    if one.interval is None or other.interval is None or one.value is None:
        assert 0 in (first.of, second.of)
        return
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.interval[0] - 1e-12 <= one.value <= one.interval[1] + 1e-12
    if min(first.of, second.of) < FEWEST:
        assert "too few" in one.words


def test_figures_are_of_decided_samples_and_time_of_all() -> None:
    found = side(
        [
            outcome(steady=0.75),
            outcome("rejected", steady=0.25),
            outcome("unscored", steady=None),
            outcome("pending", steady=0.0),
            outcome("failed", edit_type=""),
        ]
    )
    assert found.decisions == {"accepted": 1, "failed": 1, "pending": 1, "rejected": 1, "unscored": 1}
    assert (found.acceptance, found.seconds_per_pair) == (Share(num=1, of=4), 10.0)
    assert (found.axes["steady"].mean, found.axes["steady"].passed) == (0.5, Share(num=1, of=2))
    assert (found.reasons, found.edit_types) == ({"steady": 1}, {"weather": Share(num=1, of=3)})
    assert side([]).seconds_per_pair is None


def test_disagreements_are_of_one_clip_and_those_of_the_same_words_come_first() -> None:
    first = [outcome(text="rain"), outcome(), outcome(clip="d"), outcome("rejected", clip="e"), outcome("pending")]
    second = [outcome("rejected"), outcome("rejected", text="fog"), outcome(clip="d"), outcome("failed", clip="e")]
    found = compare(first, second)
    assert len(found.matches) == 4
    apart = [(one.first.instruction, one.second.instruction, one.same_instruction) for one in found.disagreements]
    assert apart == [("snow", "snow", True), ("rain", "fog", False)]
    assert "too few to tell" in found.difference.words
    assert [one["same_instruction"] for one in found.as_json()["disagreements"]] == [True, False]  # type: ignore[index, call-overload, union-attr]


some = st.lists(
    st.builds(
        outcome,
        decision=st.sampled_from(("accepted", "rejected")),
        clip=st.sampled_from(("", "c", "d")),
        text=st.sampled_from(("", "snow", "fog")),
        edit_type=st.sampled_from(("", "weather", "style")),
    ),
    max_size=12,
)


@given(first=some, second=some)
def test_every_sample_is_matched_at_most_once_and_none_that_could_be_is_left(
    first: list[Outcome], second: list[Outcome]
) -> None:
    found = matches(first, second)
    for used in ([id(one.first) for one in found], [id(one.second) for one in found]):
        assert len(set(used)) == len(used)
    for one in found:
        same_words = one.first.instruction == one.second.instruction != ""
        assert one.first.clip_id == one.second.clip_id != ""
        assert same_words if one.same_instruction else one.first.edit_type == one.second.edit_type != ""
    taken = {id(sample) for one in found for sample in (one.first, one.second)}
    left, right = ([one for one in each if id(one) not in taken and one.clip_id] for each in (first, second))
    assert not any(
        (one.clip_id, text) == (other.clip_id, there)
        for one in left
        for other in right
        for text, there in ((one.instruction, other.instruction), (one.edit_type, other.edit_type))
        if text
    )
