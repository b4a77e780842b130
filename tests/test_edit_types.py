"""Kinds of edits for editors that follow words: the table as it ships, and what offers and routes make of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.offers import OfferBook, of_catalogue, of_words
from agent.policy import PolicyConfig, legal_calls
from agent.profile import load_profile
from memory.sample import Clip, Description, Instruction, Sample, Verdict
from tools.catalogue import Catalogue
from tools.edit_types import EditType, open_edit_types

TYPES = open_edit_types()
CATALOGUE = of_catalogue(Catalogue.load())
FACTS = st.dictionaries(
    st.sampled_from(["subject_share", "subject_lightness", "lightness", "motion"]), st.floats(0, 100), max_size=4
)
CONFIG: PolicyConfig = load_profile("embedded").policy
PASSED = Verdict(decision="accepted", reasons=[], rule="all_passed", scores={})


def sample(kind: str, scope: str, facts: dict[str, float] | None = None, **changes: Any) -> Sample:
    clip = Clip(
        clip_id="c",
        uri="c.mp4",
        sha256="0",
        start_seconds=0,
        end_seconds=2,
        fps=25,
        frames=49,
        width=64,
        height=48,
        video="v",
    )
    values = {"text": "Do it.", "edit_type": kind, "scope": scope}
    return Sample(
        id="a",
        seed=1,
        clip=clip,
        description=Description(caption="", facts=facts or {}, masks="m"),
        instruction=Instruction.model_validate(values) if kind else None,
        **changes,
    )


def test_the_taxonomy_is_that_of_the_field() -> None:
    found = {scope: {name for name, kind in TYPES.items() if kind.scope == scope} for scope in ("global", "local")}
    assert found["global"] >= {
        *("style", "season", "weather", "time_of_day", "lighting"),
        *("environment", "background", "colour_grade", "era", "material"),
    }
    assert found["local"] >= {"add", "remove", "replace", "recolour", "attribute", "texture"}


@pytest.mark.parametrize("name", TYPES)
def test_depth_carries_no_edit_that_changes_a_part_of_the_geometry(name: str) -> None:
    kind = TYPES[name]
    if kind.scope == "local":
        assert kind.routes[0] == "mask"
        assert kind.shapes != "changed" or kind.routes == ("mask",)
    else:
        assert kind.routes == ("structure",)


def test_what_does_not_fit_together_is_refused() -> None:
    fine = {"scope": "local", "routes": ["mask"], "about": "x", "names": "what", "shapes": "kept"}
    assert EditType.model_validate(fine)
    wrongs: list[dict[str, object]] = [
        {"names": ""},
        {"scope": "global"},
        {"routes": []},
        {"routes": ["depth"]},
        {"shape": "kept"},
    ]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            EditType.model_validate(fine | wrong)


@given(FACTS, st.booleans())
def test_local_edits_are_offered_only_where_their_place_can_be_found(facts: dict[str, float], finds: bool) -> None:
    offered = OfferBook(of_words(TYPES, finds)).offers(sample("", "", facts)).edit_types
    assert len(set(offered)) == len(offered)
    assert {name for name, kind in TYPES.items() if kind.scope == "global"} <= set(offered)
    has_subject = 0.02 <= facts.get("subject_share", 0) <= 0.6
    for name, kind in TYPES.items():
        if kind.scope == "local":
            assert (name in offered) == (finds or (has_subject and kind.names == "what"))


@given(FACTS, st.booleans())
def test_every_edit_that_is_offered_has_a_route_when_its_key_frame_passed(facts: dict[str, float], finds: bool) -> None:
    for repertoire in (of_words(TYPES, finds), CATALOGUE):
        book = OfferBook(repertoire)
        for name in book.offers(sample("", "", facts)).edit_types:
            judged = sample(name, repertoire.scopes[name], facts, stage="key_frame_judged", key_frame_verdict=PASSED)
            calls = {call.tool: call for call in legal_calls(judged, book.offers(judged), CONFIG)}
            assert calls["generate_video"].choices["route"] == repertoire.routes[name]


def test_looks_of_the_catalogue_keep_their_routes() -> None:
    routes = {"global": ("structure",), "local": ("mask",)}
    assert {name: routes[scope] for name, scope in CATALOGUE.scopes.items()} == dict(CATALOGUE.routes)
