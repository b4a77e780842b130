"""Which edits a clip is offered and written, given what the clips beside it have."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from agent.offers import OfferBook, Repertoire, of_catalogue
from memory.jobs import Quota
from memory.sample import Clip, Description, Instruction, Sample
from tools.catalogue import Catalogue
from tools.catalogue_writer import suiting_from

FIGURE = {
    "subject_share": 0.15,
    "subject_separation": 25,
    "subject_lightness": 50,
    "subject_chroma": 7,
    "subject_stray": 0.1,
    "background_lightness": 50,
    "background_chroma": 30,
}
FACTS = {"lightness": 50.0, "colourfulness": 12.0, "warmth": 0.0, "detail": 4.0, "motion": 9.0}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def sample(
    number: int, clip: str, uri: str, instruction: Instruction | None = None, facts: dict[str, float] | None = None
) -> Sample:
    start = float(number)
    return Sample(
        id=f"{number:06d}",
        seed=3,
        instruction=instruction,
        description=Description(caption="", facts=facts or FACTS, masks="masks"),
        clip=Clip(
            clip_id=clip,
            video="video",
            uri=uri,
            sha256="0",
            start_seconds=start,
            end_seconds=start + 2,
            fps=25,
            frames=49,
            width=640,
            height=360,
        ),
    )


def test_a_look_of_another_clip_of_the_source_is_written_last_and_its_own_never(catalogue: Catalogue) -> None:
    book = OfferBook(of_catalogue(catalogue))
    suiting = suiting_from(catalogue, book.others, book.beside, lambda texts: np.ones((len(texts), 1), np.float32))
    new = sample(9, "second", "one.mp4")
    untouched = [each.look for each in suiting(new, "color_grade", "")]
    grades = list(dict.fromkeys(untouched))
    own, beside, elsewhere = (next(catalogue.looks[look].instructions(look)) for look in grades[:3])
    book.note(sample(1, "second", "one.mp4", own))
    book.note(sample(2, "first", "one.mp4", beside))
    book.note(sample(3, "third", "two.mp4", elsewhere))
    looks = list(dict.fromkeys(each.look for each in suiting(new, "color_grade", "")))
    assert own.look not in looks
    assert looks[-1] == beside.look
    assert looks.index(elsewhere.look) == 0
    assert beside.look in [each.look for each in islice(suiting(new, "color_grade", "any grade"), 200)]


def test_a_run_leans_to_three_tenths_of_local_edits(catalogue: Catalogue) -> None:
    book = OfferBook(of_catalogue(catalogue))
    for number in range(100):
        kind = book.offers(sample(number, f"clip {number}", "one.mp4", facts=FACTS | FIGURE)).edit_types[0]
        asked = Instruction(text="", edit_type=kind, scope=catalogue.scopes[kind])
        book.note(sample(number, f"clip {number}", "one.mp4", asked))
        if number >= 20:
            local = sum(catalogue.scopes[kind] == "local" for kind in kinds(book))
            assert 0.25 <= local / (number + 1) <= 0.35
    assert set(kinds(book)) == set(catalogue.offers(FACTS | FIGURE)), "within a scope, all types come up"


def kinds(book: OfferBook) -> list[str]:
    return [each.edit_type for each in book.beside(sample(1000, "another", "one.mp4"))]


def test_clips_without_a_subject_are_made_up_for_by_those_that_have_one(catalogue: Catalogue) -> None:
    book = OfferBook(of_catalogue(catalogue))
    for number in range(20):
        empty = sample(number, f"clip {number}", "one.mp4")
        kind = book.offers(empty).edit_types[0]
        assert catalogue.scopes[kind] == "global"
        book.note(sample(number, f"clip {number}", "one.mp4", Instruction(text="", edit_type=kind, scope="global")))
    first = book.offers(sample(99, "with a subject", "two.mp4", facts=FACTS | FIGURE)).edit_types[0]
    assert catalogue.scopes[first] == "local"


KINDS = ("color_grade", "duotone", "false_color", "lighting", "season", "style", "time_of_day", "weather")
WEIGHTS = {"color_grade": 2.0, "weather": 0.5, "season": 1.5}
ANY_CLIP = Repertoire(suited=lambda facts: KINDS, scopes=dict.fromkeys(KINDS, "global"), routes={})


def asked(book: OfferBook, numbers: range, clips_of_a_source: int, edits_of_a_clip: int) -> Counter[str]:
    """What samples ask for that always take the first offer."""
    found = Counter[str]()
    for number in numbers:
        clip = number // edits_of_a_clip
        new = sample(number, f"clip {clip}", f"{clip // clips_of_a_source}.mp4").model_copy(update={"seed": number})
        kind = book.offers(new).edit_types[0]
        found[kind] += 1
        book.note(new.model_copy(update={"instruction": Instruction(text="", edit_type=kind, scope="global")}))
    return found


@pytest.mark.parametrize(("clips_of_a_source", "edits_of_a_clip"), [(1, 1), (6, 1), (4, 3)])
def test_edit_types_get_the_share_that_an_evaluation_gives_them(clips_of_a_source: int, edits_of_a_clip: int) -> None:
    book = OfferBook(ANY_CLIP)
    before = asked(book, range(240), clips_of_a_source, edits_of_a_clip)
    assert max(before.values()) - min(before.values()) <= 0.25 * max(before.values()), "all alike at first"
    book.weigh("job-0003", Quota(weights=WEIGHTS, uses=book.uses))
    first = book.offers(sample(9999, "new", "new.mp4"))
    assert first.edit_types[0] == "color_grade", "the weakest first"
    assert (first.weights["weather"], first.weights["style"], first.weighted_by) == (0.5, 1.0, "job-0003")
    after = asked(book, range(240, 1440), clips_of_a_source, edits_of_a_clip)
    whole = sum(WEIGHTS.get(kind, 1.0) for kind in after)
    for kind, count in after.items():
        assert count / 1200 == pytest.approx(WEIGHTS.get(kind, 1.0) / whole, rel=0.12)


def test_a_book_that_is_filled_again_offers_as_before() -> None:
    one, other = OfferBook(ANY_CLIP), OfferBook(ANY_CLIP)
    for number in range(60):
        kind = one.offers(sample(number, f"clip {number}", "one.mp4")).edit_types[0]
        for book in (one, other):
            book.note(sample(number, f"clip {number}", "one.mp4", Instruction(text="", edit_type=kind, scope="global")))
        if number == 30:
            quota = Quota(weights=WEIGHTS, uses=one.uses)
            one.weigh("job-0001", quota)
    other.weigh("job-0001", quota)
    for number in range(60, 80):
        new = sample(number, f"clip {number}", "two.mp4").model_copy(update={"seed": number})
        assert one.offers(new) == other.offers(new)


def test_without_a_job_nothing_is_said_of_weights() -> None:
    book = OfferBook(ANY_CLIP)
    asked(book, range(30), 1, 1)
    offers = book.offers(sample(1, "one", "one.mp4"))
    assert (dict(offers.weights), offers.weighted_by, book.told("style")) == ({}, "", "")
