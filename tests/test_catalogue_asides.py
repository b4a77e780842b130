"""What the embedded advisor says to words that no edit of its own answers: it never offers another thing instead."""

from __future__ import annotations

import pytest

from ditto_models.assets import cache_folder
from ditto_models.embedded.text_embedder import BgeSmallEmbedder
from tests.test_catalogue_advisor import GREEN, told
from tools.catalogue import Catalogue
from tools.catalogue_advisor import CatalogueAdvisor
from tools.catalogue_asides import ENGLISH, NOTHING_CHANGES
from tools.catalogue_limits import EACH_ALONE


@pytest.fixture(scope="module")
def advisor() -> CatalogueAdvisor:
    return CatalogueAdvisor(Catalogue.load(), BgeSmallEmbedder().embed, cache_folder() / "vectors")


@pytest.mark.parametrize("thing", ["rabbit", "sky", "car"])
def test_another_color_of_what_cannot_be_singled_out_is_never_given_to_something_else(
    advisor: CatalogueAdvisor, thing: str
) -> None:
    _, advice = told(advisor, f"make the {thing} red", facts=GREEN)
    assert not advice.ideas
    assert advice.words.startswith(f"I cannot single out '{thing}'. Here I can color the whole picture or the plants.")


def test_what_can_be_colored_still_is(advisor: CatalogueAdvisor) -> None:
    for words in ("make the grass red", "make the picture blue", "make it pink"):
        assert told(advisor, words, facts=GREEN)[1].ideas, words


@pytest.mark.parametrize("words", ["make it night and snow", "first make it snow, then make it night", "night and fog"])
def test_two_edits_at_once_are_offered_one_by_one(advisor: CatalogueAdvisor, words: str) -> None:
    _, advice = told(advisor, words, facts=GREEN)
    assert advice.words.startswith(EACH_ALONE)
    assert len({idea.instruction.edit_type for idea in advice.ideas}) == len(advice.ideas) == 2


@pytest.mark.parametrize("words", ["make it dark and moody", "soft and dreamy light"])
def test_two_words_for_one_edit_are_one_wish(advisor: CatalogueAdvisor, words: str) -> None:
    _, advice = told(advisor, words, facts=GREEN)
    assert advice.ideas
    assert EACH_ALONE not in advice.words


def test_what_was_shown_and_turned_down_does_not_come_back(advisor: CatalogueAdvisor) -> None:
    said = ["autumn", "stronger"]
    for words in ("none of these", "something else", "something else"):
        said.append(words)
        _, advice = told(advisor, *said)
        assert advice.ideas
        assert "autumn" not in [idea.instruction.look for idea in advice.ideas], said


def test_undo_leads_back_to_the_wish_before(advisor: CatalogueAdvisor) -> None:
    _, first = told(advisor, "make it winter", facts=GREEN)
    for then in (
        ("fog", "undo"),
        ("less snow", "undo that"),
        ("fog", "thanks", "back"),
        ("fog", "back to the winter"),
        ("fog", "the one before"),
    ):
        _, advice = told(advisor, "make it winter", *then, facts=GREEN)
        assert advice.words.startswith("Back to 'make it winter'."), then
        assert [idea.instruction.look for idea in advice.ideas] == [idea.instruction.look for idea in first.ideas]
    assert told(advisor, "undo")[1].words.startswith("There is nothing to go back to")


def test_a_number_that_is_not_on_offer_is_told(advisor: CatalogueAdvisor) -> None:
    assert told(advisor, "42")[1].words.startswith("There is no 42: nothing is on offer yet.")
    sample, advice = told(advisor, "make it winter", "42", facts=GREEN)
    assert advice.words == "There is no 42 on offer now, only 1 and 2."
    assert len(sample.proposals) == 2


def test_the_other_of_two_and_keeping_what_is_not_there_are_asked_back(advisor: CatalogueAdvisor) -> None:
    for words in ("the other one", "make 7", "keep it", "both", "mix 1 and 2"):
        sample, advice = told(advisor, "make it winter", words, facts=GREEN)
        assert [each.number for each in sample.proposals] == [1, 2]
        assert " 1 " in advice.words
        assert " 2" in advice.words


@pytest.mark.parametrize("words", ["mach es bitte heller", "夜にしてください", "rends-le plus sombre", "сделай ночь"])
def test_another_language_is_told_from_a_wish_for_nothing(advisor: CatalogueAdvisor, words: str) -> None:
    _, advice = told(advisor, "make it winter", words, facts=GREEN)
    assert advice.words.startswith(ENGLISH)
    assert not advice.ideas


def test_what_is_no_wish_is_not_looked_up(advisor: CatalogueAdvisor) -> None:
    assert told(advisor, "don't change anything")[1].words == NOTHING_CHANGES
    assert told(advisor, "thank you!")[1].words.startswith("Say what you want to see.")
    assert told(advisor, "how long will it take?")[1].words.startswith("I answer no questions")
    assert told(advisor, "I don't want black and white")[1].words.startswith("Without black and white:")


def test_colors_that_are_not_had_are_not_made_stronger(advisor: CatalogueAdvisor) -> None:
    _, advice = told(advisor, "an orange sunset", "more blue", facts=GREEN)
    assert advice.ideas
    assert "sunset" not in [idea.instruction.look for idea in advice.ideas]
    _, advice = told(advisor, "sunset, but less orange", facts=GREEN)
    assert "orange" not in " ".join(idea.instruction.text for idea in advice.ideas)


def test_words_that_mean_nothing_to_the_catalogue_are_told_where_little_is_near(advisor: CatalogueAdvisor) -> None:
    assert "I know nothing of 'wes' or 'anderson'." in told(advisor, "make it look like wes anderson")[1].words
    assert "I know nothing" not in told(advisor, "a foggy morning please")[1].words


def test_what_is_to_stay_holds_for_relative_words_too(advisor: CatalogueAdvisor) -> None:
    _, advice = told(advisor, "night", "darker, but keep her face")
    assert {advisor.matcher.region_of(idea.instruction) for idea in advice.ideas} <= {"background"}
    assert advice.ideas or advice.words.startswith("I cannot do that and keep the main subject")
    assert len(told(advisor, "xyzzy " * 99)[1].words) < 700
