"""Which edits a clip is offered and written, given what the clips beside it have."""

from itertools import islice

import numpy as np
import pytest

from agent.offers import OfferBook
from memory.sample import Clip, Description, Instruction, Sample
from tools.catalogue import Catalogue
from tools.catalogue_writer import propose_from

FACTS = {"lightness": 50.0, "colourfulness": 12.0, "warmth": 0.0, "detail": 4.0, "motion": 9.0}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def sample(number: int, clip: str, uri: str, instruction: Instruction | None = None) -> Sample:
    start = float(number)
    return Sample(
        id=f"{number:06d}",
        seed=3,
        instruction=instruction,
        description=Description(caption="", facts=FACTS, masks="masks"),
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
    book = OfferBook(catalogue.offers, {})
    propose = propose_from(catalogue, book.others, book.beside, lambda texts: np.ones((len(texts), 1), np.float32))
    new = sample(9, "second", "one.mp4")
    untouched = [each.look for each in propose(new, "color_grade", "")]
    grades = list(dict.fromkeys(untouched))
    own, beside, elsewhere = (next(catalogue.looks[look].instructions(look)) for look in grades[:3])
    book.note(sample(1, "second", "one.mp4", own))
    book.note(sample(2, "first", "one.mp4", beside))
    book.note(sample(3, "third", "two.mp4", elsewhere))
    looks = list(dict.fromkeys(each.look for each in propose(new, "color_grade", "")))
    assert own.look not in looks
    assert looks[-1] == beside.look
    assert looks.index(elsewhere.look) == 0
    assert beside.look in [each.look for each in islice(propose(new, "color_grade", "any grade"), 200)]
