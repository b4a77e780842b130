import itertools
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from agent.diversity import stripped
from ditto_models.embedded.looks.registry import LOOKS
from tools.catalogue import CATALOGUE_PATH, KINDS_FILE, Catalogue

DAY = {
    "lightness": 50,
    "lights": 0.01,
    "warmth": 8,
    "redness": 0,
    "shadows": 0.1,
    "greenery": 0.4,
    "detail": 4,
    "motion": 0.5,
    "highlights": 0.05,
    "contrast": 20,
} | {
    "colourfulness": 25,
    "subject_share": 0.15,
}
FIGURE = {"subject_separation": 25, "subject_lightness": 50, "subject_chroma": 7, "subject_stray": 0.01} | {
    "background_lightness": 50,
    "background_chroma": 30,
}
NIGHT = DAY | {"lightness": 30, "lights": 0.06, "warmth": -10, "shadows": 0.5, "greenery": 0.0, "subject_share": 0}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def every(catalogue: Catalogue, facts: dict[str, float]) -> dict[str, str]:
    return {
        each.text: each.look
        for edit_type in catalogue.offers(facts)
        for each in catalogue.variants(edit_type, facts, seed=1)
    }


def test_the_catalogue_is_large_and_about_seven_tenths_of_it_is_global(catalogue: Catalogue) -> None:
    scopes = {
        stripped(each.text): each.scope for look, entry in catalogue.looks.items() for each in entry.instructions(look)
    }
    assert len(scopes) >= 600, "distinct after numbers and adverbs are stripped"
    assert 0.65 <= Counter(scopes.values())["global"] / len(scopes) <= 0.75


def test_each_instruction_is_found_again_by_its_words(catalogue: Catalogue) -> None:
    texts = every(catalogue, DAY | FIGURE)
    assert len(texts) >= 400
    for text, look in texts.items():
        found = catalogue.match(f"  {text.upper().rstrip('.')}!")
        assert found is not None
        assert (found.text, found.look) == (text, look)
        assert catalogue.expectation(found) is not None


WRITING_FAULTS = {
    "a before a vowel": r"\ba (?!(one|uni|use|eu))[aeiou]",
    "an before a consonant": r"\ban (?!hour)[^aeiou]",
    "two spaces, or one at an end": r"  |^ | $",
    "no full stop": r"[^.!?]$",
    "a small letter first": r"^[^A-Z]",
    "a word twice": r"\b(\w+) \1\b",
    "a space before a comma or stop": r" [,.;!?]",
    "a brace left open": r"[{}]",
}


@pytest.mark.parametrize("fault", WRITING_FAULTS)
def test_every_instruction_is_written_without_slips(catalogue: Catalogue, fault: str) -> None:
    texts = [each.text for look, entry in catalogue.looks.items() for each in entry.instructions(look)]
    flags = re.NOFLAG if fault == "a small letter first" else re.IGNORECASE
    assert [text for text in texts if re.search(WRITING_FAULTS[fault], text, flags)] == []


def test_no_instruction_names_what_nobody_looked_for(catalogue: Catalogue) -> None:
    """The describer knows greenery, a main subject and light; a sky, a floor or a person it does not."""
    unknown = re.compile(r"\b(sky(?! blue)|skies|ground|floor|people|person|man|woman|whoever|building|house|road)\b")
    texts = [each.text for look, entry in catalogue.looks.items() for each in entry.instructions(look)]
    assert [text for text in texts if unknown.search(text.lower())] == []


def test_light_with_a_place_is_not_asked_where_much_moves(catalogue: Catalogue) -> None:
    """A man who walks past takes it along: what he uncovers stays as it was."""
    lively = set(every(catalogue, DAY | {"motion": 2.1}).values())
    assert not lively & {"two_lights", "vignette", "pool_of_light", "side_light"}
    assert {"two_lights", "vignette"} <= set(every(catalogue, DAY).values())


def test_two_inks_are_not_asked_of_a_dim_flat_clip(catalogue: Catalogue) -> None:
    dim = DAY | {"lightness": 34, "contrast": 14, "highlights": 0, "colourfulness": 7}
    assert not {"duotone", "heat_map"} & set(every(catalogue, dim).values())
    assert {"duotone", "heat_map"} <= set(every(catalogue, DAY).values())


def test_every_look_of_the_catalogue_exists(catalogue: Catalogue) -> None:
    assert set(catalogue.looks) == set(LOOKS)


def test_offers_follow_the_facts(catalogue: Catalogue) -> None:
    night = set(every(catalogue, NIGHT).values())
    assert not night & {"night", "dusk", "winter_snow", "autumn", "recolour_subject", "desaturate_background"}
    assert "neon" in night
    assert "recolor_subject" in catalogue.offers(DAY | FIGURE)
    assert "recolor_subject" not in catalogue.offers(DAY | FIGURE | {"subject_share": 0.01})
    gap = set(every(catalogue, DAY | FIGURE | {"subject_stray": 0.1}).values())
    assert "recolour_subject" not in gap, "an ear outside the mask would keep its colour"
    assert "desaturate_background" in gap
    assert "season" not in catalogue.offers(DAY | {"greenery": 0.02})
    assert "style" not in catalogue.offers(DAY | {"motion": 9})
    assert catalogue.offers({}) == []


def test_order_is_fixed_by_the_seed_and_neighbours_differ(catalogue: Catalogue) -> None:
    facts = DAY | FIGURE
    first = list(catalogue.variants("recolor_subject", facts, 7))
    assert first == list(catalogue.variants("recolor_subject", facts, 7))
    other = list(catalogue.variants("recolor_subject", facts, 8))
    assert first != other
    assert sorted(each.text for each in first) == sorted(each.text for each in other)
    assert all(one.parameters != two.parameters for one, two in itertools.pairwise(first))


def test_looks_of_a_type_take_turns(catalogue: Catalogue) -> None:
    facts = DAY | FIGURE
    looks = [each.look for each in catalogue.variants("season", facts, 5)]
    assert len(set(looks[:5])) == len(set(looks)), "a look with many settings does not crowd out the others"


def test_a_setting_is_offered_where_it_suits_and_judged_by_its_own_measure(catalogue: Catalogue) -> None:
    dark = every(catalogue, DAY | {"lightness": 30, "lights": 0.06})
    assert "Fade the edges of the picture to white." in dark
    assert "Add a dark vignette around the edges." not in dark
    light = catalogue.match("Powder the plants with snow but keep some green visible.")
    deep = catalogue.match("Hide the green of everything that grows under snow.")
    assert light is not None
    assert deep is not None
    assert catalogue.expectation(light) != catalogue.expectation(deep)


def test_words_and_values_of_a_parameter_belong_together(catalogue: Catalogue) -> None:
    for instruction in catalogue.variants("recolor_subject", DAY | FIGURE, 0):
        words = catalogue.looks[instruction.look].parameters["colour"][str(instruction.parameters["colour"])]
        assert words in instruction.text


def test_unknown_words_match_nothing(catalogue: Catalogue) -> None:
    assert catalogue.match("Add a hat to the dog.") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"phrasings": ["Too short."]}, "4 to 25 words"),
        ({"phrasings": ["Give the scene the mild warm light of four in the afternoon!"]}, "stands under both"),
        ({"phrasings": ["Let it dawn in {colour} everywhere."]}, "nothing fills {colour}"),
        ({"phrasings": []}, "no phrasings"),
        ({"edit_type": "subject_lighting"}, "both scopes"),
        ({"expect": {"region": "all", "changes": {"beauty": 1}}}, "beauty"),
        ({"requires": []}, "requires"),
    ],
)
def test_an_unsound_entry_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    shutil.copytree(CATALOGUE_PATH, tmp_path, dirs_exist_ok=True)
    content = yaml.safe_load((CATALOGUE_PATH / KINDS_FILE).read_text() + (tmp_path / "time_of_day.yaml").read_text())
    content["looks"]["dawn"].update(change)
    (tmp_path / "time_of_day.yaml").write_text(yaml.safe_dump({"looks": content["looks"]}))
    with pytest.raises(ValidationError, match=message):
        Catalogue.load(tmp_path)


def test_a_look_in_two_files_is_refused(tmp_path: Path) -> None:
    shutil.copytree(CATALOGUE_PATH, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "weather.yaml", tmp_path / "weather_again.yaml")
    with pytest.raises(ValueError, match=r"fog.* stands in another file too"):
        Catalogue.load(tmp_path)
