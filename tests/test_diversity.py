"""What the diversity report says of small sets whose answer is known."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agent import diversity as module
from agent.diversity import diversity, entropy, stripped
from memory.sample import Instruction, Sample, Scope
from tests.fakes import FakeEmbedder


def sample(number: int, text: str, edit_type: str = "season", scope: Scope = "global") -> Sample:
    return Sample(id=f"{number:06d}", seed=1, instruction=Instruction(text=text, edit_type=edit_type, scope=scope))


def flat(lightness: float) -> NDArray[np.float32]:
    return np.dstack([np.full((18, 32), lightness, np.float32), np.zeros((18, 32, 2), np.float32)])


def test_the_same_thing_over_and_over_has_no_diversity() -> None:
    same = [sample(number, "Make it night.") for number in range(5)]
    found = diversity(same, FakeEmbedder().embed, lambda _: flat(40))
    assert (found.distinct_instructions, found.entropy, found.picture_distance) == (1, 0.0, 0.0)
    assert found.distinct_share == pytest.approx(0.2)
    assert found.similarity_mean == pytest.approx(1)
    assert found.similarity_median == pytest.approx(1)
    assert found.global_share == 1


def test_each_figure_of_a_small_varied_set() -> None:
    samples = [
        sample(10, "turn everything blue", "color_grade"),
        sample(20, "turn everything blue", "color_grade"),
        sample(30, "deep snow please", "season"),
        sample(90, "warm lamp overhead", "subject_lighting", "local"),
    ]
    found = diversity(samples, FakeEmbedder().embed, lambda each: flat(float(each.id)))
    assert found.distinct_instructions == 3
    assert found.global_share == 0.75
    assert found.entropy == pytest.approx((0.5 * math.log(2) + 0.5 * math.log(4)) / math.log(3))
    assert found.picture_distance == pytest.approx((10 + 10 + 10 + 60) / 4)
    assert found.similarity_median == pytest.approx((1 + nearest_of(samples[2])) / 2, abs=0.2)
    lines = found.lines()
    assert "3 of 4 instructions distinct (75%)" in lines[0]
    assert "22.5 CIELAB apart" in lines[0]
    assert "global:local 75:25" in lines[1]


def nearest_of(one: Sample) -> float:
    assert one.instruction is not None
    vectors = FakeEmbedder().embed([one.instruction.text, "turn everything blue", "warm lamp overhead"])
    return float((vectors[1:] @ vectors[0]).max())


def test_evenly_used_types_have_full_entropy_and_unused_ones_do_not_count() -> None:
    assert entropy([7, 7, 7]) == pytest.approx(1)
    assert entropy([7, 7, 0]) == pytest.approx(1)
    assert entropy([98, 1, 1]) == pytest.approx(0.102, abs=0.001)
    assert entropy([]) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Make it 3 times brighter.", "make it 20 times BRIGHTER!"),
        ("Make it very much darker.", "Make it slightly darker."),
        ("Quickly let night fall.", "Let night fall."),
    ],
)
def test_numbers_adverbs_and_case_make_no_new_instruction(one: str, other: str) -> None:
    assert stripped(one) == stripped(other)


def test_words_that_only_look_like_adverbs_stay() -> None:
    assert stripped("An early, lively fall.") == "an early lively fall"


def test_nothing_and_one_sample_say_only_what_can_be_said() -> None:
    nothing = diversity([], FakeEmbedder().embed, lambda _: flat(1))
    assert nothing.lines() == []
    assert nothing.distinct_share is None
    one = diversity([sample(1, "Make it night.")], FakeEmbedder().embed, lambda _: flat(1))
    assert one.similarity_mean is None
    assert one.picture_distance is None
    assert all(value is not None for key, value in one.record().items() if not key.startswith("nearest"))


def test_a_picture_that_is_gone_is_left_out() -> None:
    def picture(each: Sample) -> NDArray[np.float32]:
        if each.id == "000002":
            raise FileNotFoundError(each.id)
        return flat(float(each.id))

    samples = [sample(number, f"text {number}") for number in (1, 2, 4)]
    assert diversity(samples, None, picture).picture_distance == pytest.approx(3)


def test_of_many_samples_some_are_compared_and_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_MOST", 10)
    samples = [sample(number, f"word{number} other{number}") for number in range(150)]
    asked: list[int] = []

    def embed(texts: object) -> NDArray[np.float32]:
        asked.append(len(list(texts)))  # type: ignore[call-overload]
        return FakeEmbedder().embed(list(texts))  # type: ignore[call-overload]

    found = diversity(samples, embed)
    assert asked == [10]
    assert "10 drawn at random" in found.lines()[0]
    assert found == diversity(samples, embed), "the draw is seeded"
