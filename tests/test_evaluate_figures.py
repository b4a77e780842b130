"""Figures of an evaluation: what could not be measured counts for no mean, and pairs of one source are one trial."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.command import CommandError
from agent.evaluate.against import differences, read_earlier
from agent.evaluate.figures import Scored, by_edit_type, interval, summary
from agent.evaluate.report import OWN, About, Evaluation
from agent.evaluate.text import print_evaluation
from agent.judge.judged import Judged, Outcome, Sheet
from memory.sample import AxisVerdict
from tools.critic.axes import MODEL_AXES

ABOUT = About(
    data="d", layout="ditto", split="test", edits=OWN, judge=None, clip=None, profile="embedded", config_hash="0"
)


def scored(
    name: str, decision: Outcome, axes: dict[str, float | None] | None = None, edit_type: str = "style", **more: object
) -> Scored:
    scores = {
        axis: AxisVerdict(value=value, threshold=0.5, passed=None if value is None else value >= 0.5, reason="")
        for axis, value in (axes or {}).items()
    }
    judged = Judged(
        id=name,
        source="",
        edited="",
        instruction="",
        decision=decision,
        reasons=["gone"] if decision == "unreadable" else [],
        scores=scores,
        sheet=Sheet(source=[b""], edited=[b""]),
    )
    return Scored(judged=judged, edit_type=edit_type, group=str(more.pop("group", name)), **more)  # type: ignore[arg-type]


def test_a_rejected_pair_that_could_not_have_been_accepted_is_no_failure() -> None:
    assert scored("a", "rejected", {"edit_applied": None, "source_motion": 0.1}).passed is None
    assert scored("a", "rejected", {"edit_applied": 0.1, "key_frame_followed": None, "distinct": None}).passed == 0
    assert summary([scored("a", "rejected", {"edit_applied": None})]).as_json()["passed"] is None


def test_passed_is_of_those_that_could_be_decided() -> None:
    pairs = [
        scored("a", "accepted", clip_t=20.0),
        scored("b", "rejected", clip_t=30.0),
        scored("c", "unscored"),
        scored("d", "unreadable"),
        scored("e", "unscored", edit_type="add"),
    ]
    found = summary(pairs).as_json()
    assert (found["pairs"], found["decided"], found["passed"], found["clip_t"]) == (5, 2, 0.5, 25.0)
    assert found["outcomes"] == {"accepted": 1, "rejected": 1, "unscored": 2, "unreadable": 1}
    assert found["clip_f"] is None
    types = {name: one.as_json() for name, one in by_edit_type(pairs).items()}
    assert list(types) == ["add", "style"]
    assert (types["add"]["pairs"], types["add"]["passed"]) == (1, None)
    assert types["style"]["passed"] == 0.5


def test_the_models_score_is_on_its_own_scale_and_of_all_its_axes_or_none() -> None:
    whole: dict[str, float | None] = dict.fromkeys(MODEL_AXES, 8 / 9)
    assert scored("a", "accepted", whole).vlm == pytest.approx(9)
    assert scored("a", "accepted", whole | {"model_safety": 0.0}).vlm == pytest.approx(9)
    assert scored("a", "accepted", whole | {"visual_quality": 4 / 9}).vlm == pytest.approx(8)
    assert scored("a", "unscored", whole | {"motion_preserved": None}).vlm is None
    assert scored("a", "accepted").vlm is None


def test_pairs_of_one_source_are_one_trial() -> None:
    values = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    alone = interval(values, [str(place) for place in range(6)])
    five_each = interval(
        [value for value in values for _ in range(5)], [str(place) for place in range(6) for _ in "12345"]
    )
    as_if_alone = interval([value for value in values for _ in range(5)], [str(place) for place in range(30)])
    assert alone
    assert as_if_alone
    assert five_each == pytest.approx(alone)
    assert as_if_alone[1] - as_if_alone[0] < 0.6 * (alone[1] - alone[0])
    assert interval(values, ["one"] * 6) is None


def test_the_interval_is_that_of_the_mean() -> None:
    """Of 400 values with a deviation of 1, the mean's is 0.05: 95 % within 1.96 times that."""
    values = [1.0, -1.0] * 200
    low, high = interval(values, [str(place) for place in range(400)]) or (0, 0)
    assert (low, high) == pytest.approx((-0.098, 0.098), abs=0.012)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcd")), min_size=1, max_size=12))
def test_an_interval_lies_among_its_groups_means_and_is_the_same_each_time(drawn: list[tuple[float, str]]) -> None:
    values, groups = [value for value, _ in drawn], [group for _, group in drawn]
    found = interval(values, groups)
    assert found == interval(values, groups)
    if len(set(groups)) == 1:
        assert found is None
        return
    means = [sum(kept) / len(kept) for one in set(groups) for kept in [[v for v, g in drawn if g == one]]]
    assert found
    assert min(means) - 1e-9 <= found[0] <= found[1] <= max(means) + 1e-9


def test_only_the_best_and_the_worst_keep_their_pictures() -> None:
    evaluation = Evaluation(about=ABOUT, num_shown=2)
    for number in range(200):
        value = (number * 37 % 200) / 200
        evaluation.add(scored(str(number), "accepted", {"edit_applied": value}))
    evaluation.add(scored("gone", "unreadable"))
    assert [one.judged.scores["edit_applied"].value for one in evaluation.worst] == [0, 0.005]
    assert [one.judged.scores["edit_applied"].value for one in evaluation.best] == [0.995, 0.99]
    assert all(one.judged.sheet for one in (*evaluation.worst, *evaluation.best))
    assert sum(one.judged.sheet is not None for one in evaluation.scored) < 80
    assert [judged.id for judged in evaluation.unreadable] == ["gone"]
    few = Evaluation(about=ABOUT, num_shown=2)
    for name in "abc":
        few.add(scored(name, "accepted", {"edit_applied": 0.5}))
    assert len({one.judged.id for one in (*few.best, *few.worst)}) == 3


def evaluation(*pairs: Scored) -> Evaluation:
    made = Evaluation(about=ABOUT, num_shown=1)
    for one in pairs:
        made.add(one)
    return made


def test_two_editors_are_compared_pair_by_pair(tmp_path: Path) -> None:
    path = tmp_path / "earlier.json"
    before = [scored(str(n), "rejected", {"safety": n / 10}, clip_t=20.0 + 5 * n, group=str(n // 2)) for n in range(6)]
    path.write_text(json.dumps(evaluation(*before, scored("gone", "unreadable")).as_json()))
    now = [
        *(scored(str(n), "accepted", {"safety": n / 10}, clip_t=21.0 + 5 * n, group=str(n // 2)) for n in range(5)),
        scored("5", "unscored", {"safety": None}, edit_type="add"),
        scored("new", "accepted", clip_t=1000.0),
        scored("gone", "accepted", clip_t=1000.0),
    ]
    found = differences(now, read_earlier(path, None, None, "0"))
    assert found.pairs == 7
    clip_t, passed, safety = (found.overall[name] for name in ("clip_t", "passed", "axes.safety"))
    assert (clip_t.mean, clip_t.num) == (1.0, 5)
    assert clip_t.interval == pytest.approx((1, 1)), "sources differ by far more than the editors, and cancel"
    assert (passed.mean, passed.num) == (1.0, 5)
    assert (safety.mean, safety.num) == (0.0, 5)
    assert found.by_edit_type["add"]["passed"].mean is None
    report = found.as_json()
    assert report["overall"]["axes"] == {"safety": 0.0}  # type: ignore[index, call-overload]


@pytest.mark.parametrize("text", ["[]", "{", '{"edits": "x"}', None])
def test_what_is_no_evaluation_is_not_compared_with(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(CommandError, match="cannot be used"):
        read_earlier(tmp_path / "x.json", None, None, "0")


def test_figures_of_other_means_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(evaluation(scored("a", "accepted")).as_json()))
    for means, told in ((("m", None, "0"), "judge None"), ((None, "c", "0"), "CLIP None"), ((None, None, "1"), "'0'")):
        with pytest.raises(CommandError, match=told):
            read_earlier(path, *means)


def told(made: Evaluation) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    print_evaluation(console, made)
    return console.export_text()


def test_people_are_told_what_was_measured_and_what_was_not(tmp_path: Path) -> None:
    made = evaluation(scored("a", "accepted"), scored("b", "rejected", edit_type="add"), scored("c", "unreadable"))
    text = told(made)
    assert "d, split test: the dataset's own edits" in text
    assert "no judge: VLM is not measured" in text
    assert "no CLIP: CLIP-T and CLIP-F are not measured" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("add", "style", "all"))}
    assert rows["add"] == ["1", "0%", "-", "-", "-", "0", "0"]
    assert rows["style"] == ["2", "100%", "-", "-", "-", "0", "1"]
    assert rows["all"] == ["3", "50%", "-", "-", "-", "0", "1"]
    assert "passed 50% [0%, 100%]" in text
    assert "c: gone" in text
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(evaluation(scored("a", "rejected")).as_json()))
    made.against = differences(made.scored, read_earlier(path, None, None, "0"))
    assert "less dataset, of the same 1 pairs" in told(made)
    assert "passed +100 points" in told(made)
