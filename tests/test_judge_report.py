"""What is kept of many judged pairs, and the page that shows it: bounded, true, and text stays text."""

from typing import Any

import numpy as np
import pytest

from agent.judge.judged import Judged, Sheet
from agent.judge.tally import MAX_ACCEPTED, MAX_UNREADABLE, Tally
from agent.profile import load_profile
from agent.reports.page import judge_page, told
from memory.sample import AxisVerdict
from tests.report_page import check_page

PROFILE = load_profile("embedded")
HOSTILE = '<script>alert("x")</script> & <img src=x onerror=alert(1)> {{ 7*7 }} \x1b[31m'


def outcome(number: int, value: float | None, threshold: float = 0.5) -> Judged:
    passed = None if value is None else value >= threshold
    decision = {True: "accepted", False: "rejected", None: "unscored"}[passed]
    score = AxisVerdict(value=value, threshold=threshold, passed=passed, reason="")
    return Judged(
        id=str(number),
        source="",
        edited="",
        instruction="",
        decision=decision,  # type: ignore[arg-type]
        reasons=[] if passed else ["edit_applied"],
        scores={"edit_applied": score, "source_motion": score.model_copy(update={"value": 1.0, "passed": True})},
    )


def test_the_tally_keeps_the_worst_and_a_few_accepted_of_thousands() -> None:
    values = np.random.default_rng(3).permutation(4000) / 4000
    tally = Tally(5)
    for number, value in enumerate(values):
        tally.add(outcome(number, float(value)))
    assert [judged.id for judged in tally.worst] == [str(number) for number in np.argsort(values)[:5]]
    assert tally.counts == {"accepted": 2000, "rejected": 2000, "unscored": 0, "unreadable": 0}
    assert len(tally.accepted) == MAX_ACCEPTED
    places = [int(judged.id) for judged in tally.accepted]
    assert places == sorted(places)
    assert max(places) > 2000, "not only the first ones"
    axis = tally.axes["edit_applied"]
    assert (axis.passed, axis.failed, axis.null) == (2000, 2000, 0)
    assert axis.mean == pytest.approx(values.mean())


def test_what_was_not_assessed_counts_for_no_mean_and_no_pair_is_shown_twice() -> None:
    tally = Tally(2)
    for number, value in enumerate((0.6, None, 0.8, 0.9)):
        tally.add(outcome(number, value))
    assert tally.as_json()["axes"]["edit_applied"] == {  # type: ignore[index, call-overload]
        "mean": pytest.approx((0.6 + 0.8 + 0.9) / 3),
        "threshold": 0.5,
        "passed": 3,
        "failed": 0,
        "null": 1,
    }
    assert tally.counts["unscored"] == 1
    assert [judged.id for judged in tally.worst] == ["0", "2"]
    assert [judged.id for judged in tally.accepted] == ["3"]


def test_names_and_words_with_markup_show_as_text() -> None:
    def named(*places: str) -> dict[str, Any]:
        return {place: f"{place} {HOSTILE}" for place in places}

    tally = Tally(3)
    sheet = Sheet(source=[b"jpeg"], edited=[b"jpeg"])
    axis = outcome(1, 0.2).scores["edit_applied"].model_copy(update=named("reason"))
    words = named("id", "source", "edited", "instruction")
    tally.add(
        Judged(**words, decision="rejected", reasons=["edit_applied"], scores={"edit_applied": axis}, sheet=sheet)
    )
    tally.add(Judged(**words, decision="unreadable", reasons=[f"why {HOSTILE}"]))
    page = check_page(judge_page(tally, f"dataset {HOSTILE}", 2, True, PROFILE))
    for place in ("dataset", "reason", "why", *words):
        assert f'{place} <script>alert("x")</script> & <img src=x onerror=alert(1)> {{{{ 7*7 }}}}' in page.text
    assert len(page.all("img")) == 2
    assert "Stopped by a person" in page.text
    assert "0 of 2 pairs were not judged" in page.text


def test_the_page_lists_at_most_so_many_unreadable_rows_and_counts_all() -> None:
    tally = Tally(3)
    for number in range(MAX_UNREADABLE + 5):
        tally.add(
            Judged(id=f"r{number}", source="", edited="", instruction="", decision="unreadable", reasons=["gone"])
        )
    page = check_page(judge_page(tally, "list.csv", MAX_UNREADABLE + 5, False, PROFILE))
    assert f"The first {MAX_UNREADABLE} of {MAX_UNREADABLE + 5}." in page.text
    assert page.text.count("gone") == MAX_UNREADABLE


def test_a_score_just_under_its_threshold_is_not_shown_as_reaching_it() -> None:
    def score(value: float) -> AxisVerdict:
        return AxisVerdict(value=value, threshold=0.5, passed=value >= 0.5, reason="")

    assert told(score(0.4986)) == "0.4986"
    assert told(score(0.43)) == "0.43"
    assert told(score(0.501)) == "0.50"
