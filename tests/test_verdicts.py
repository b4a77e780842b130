"""How measured axes and those of a model count together, checked whole: gates hold, better scores never hurt."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.policy import PolicyConfig
from agent.profile import ProfileError, load_profile
from agent.verdicts import GATES, MEASURED_GATES, MENDS, Group, Need, diagnose, failed_axes, judge
from memory.sample import Critique, Score
from tools.critic.axes import MODEL_AXES

PAIRS = (
    ("edit_applied", "instruction_followed"),
    ("source_structure", "source_preserved"),
    ("source_motion", "motion_preserved"),
)
THRESHOLDS = dict.fromkeys(MENDS, 0.5)
NEEDS: tuple[Need, ...] = get_args(Need)

values = st.one_of(st.none(), st.sampled_from((0.0, 0.4, 0.5, 1.0)), st.floats(0, 1))
critiques = st.fixed_dictionaries(dict.fromkeys(MENDS, values))
combines = st.lists(st.tuples(st.sampled_from(PAIRS), st.sampled_from(NEEDS)), unique_by=lambda one: one[0]).map(
    lambda groups: [Group(axes=axes, need=need) for axes, need in groups]
)


def critique(found: dict[str, float | None]) -> Critique:
    return Critique(scores={axis: Score(value=value, reason="") for axis, value in found.items()})


def decided(found: dict[str, float | None], combine: list[Group]) -> str:
    return judge(critique(found), THRESHOLDS, combine=combine).decision


@given(critiques, combines)
def test_a_failed_gate_rejects_however_axes_are_combined(found: dict[str, float | None], combine: list[Group]) -> None:
    failed = [gate for gate in GATES if (value := found[gate]) is not None and value < 0.5]
    verdict = judge(critique(found), THRESHOLDS, combine=combine)
    assert (verdict.rule == "gate") == bool(failed)
    assert verdict.decision == "rejected" or not failed


@given(critiques, combines, st.sampled_from(tuple(MENDS)), st.floats(0, 1))
def test_a_better_score_never_turns_an_accepted_sample_down(
    found: dict[str, float | None], combine: list[Group], axis: str, better: float
) -> None:
    best = found | {axis: max(better, found[axis] or 0.0, 0.5)}
    if decided(found, combine) == "accepted":
        assert decided(best, combine) == "accepted"
    if found[axis] is not None and decided(found, combine) == "unscored":
        assert decided(best, combine) == "unscored"


@given(critiques, combines)
def test_what_counts_decides_and_what_does_not_changes_nothing(
    found: dict[str, float | None], combine: list[Group]
) -> None:
    verdict = judge(critique(found), THRESHOLDS, combine=combine)
    counted = {axis: score for axis, score in verdict.scores.items() if score.counted}
    assert (verdict.decision == "accepted") == all(score.passed for score in counted.values())
    assert (verdict.decision == "rejected") == any(score.passed is False for score in counted.values())
    assert set(verdict.reasons) <= set(counted)
    assert all(any(axis in counted for axis in group.axes) for group in combine)
    for group in combine:
        shown = [axis for axis in group.axes if axis not in counted]
        assert all(verdict.scores[axis].combined == group.said for axis in group.axes)
        if group.need not in ("any_judged", "model_at_least"):
            assert decided(found | dict.fromkeys(shown, 0.0), combine) == verdict.decision


@pytest.mark.parametrize(
    ("need", "measured", "model", "decision", "counted"),
    [
        ("all", 0.9, 0.9, "accepted", (True, True)),
        ("all", 0.9, None, "unscored", (True, True)),
        ("all", 0.1, 0.9, "rejected", (True, True)),
        ("any_judged", None, 0.9, "accepted", (False, True)),
        ("any_judged", 0.9, None, "accepted", (True, False)),
        ("any_judged", 0.1, 0.9, "rejected", (True, True)),
        ("any_judged", None, None, "unscored", (True, True)),
        ("model", 0.1, 0.9, "accepted", (False, True)),
        ("model", 0.9, 0.1, "rejected", (False, True)),
        ("model", 0.9, None, "unscored", (False, True)),
        ("model_at_least", 0.1, 0.9, "rejected", (True, True)),
        ("model_at_least", None, 0.9, "accepted", (False, True)),
        ("model_at_least", 0.9, None, "unscored", (True, True)),
        ("measured", 0.9, 0.1, "accepted", (True, False)),
        ("measured", None, 0.9, "unscored", (True, False)),
    ],
)
def test_the_rules_of_a_group(
    need: Need, measured: float | None, model: float | None, decision: str, counted: tuple[bool, bool]
) -> None:
    axes = ("edit_applied", "instruction_followed")
    group = Group(axes=axes, need=need)
    verdict = judge(
        critique(dict(zip(axes, (measured, model), strict=True))), dict.fromkeys(axes, 0.5), combine=[group]
    )
    assert verdict.decision == decision
    assert tuple(verdict.scores[axis].counted for axis in axes) == counted


def test_a_group_whose_other_half_has_no_threshold_here_leaves_nothing_out() -> None:
    """As of a key frame, where the profile asks the model for less."""
    group = Group(axes=("edit_applied", "instruction_followed"), need="model")
    verdict = judge(critique({"edit_applied": 0.1}), {"edit_applied": 0.5}, combine=[group])
    assert verdict.decision == "rejected"


def test_the_instruction_axis_is_to_blame_for_what_it_pulled_down() -> None:
    thresholds = {"instruction_followed": 0.6, "source_preserved": 0.9, "visual_quality": 0.9}
    capped = judge(critique({"instruction_followed": 0.5, "source_preserved": 0.5, "visual_quality": 0.1}), thresholds)
    assert failed_axes(capped) == ("visual_quality", "instruction_followed", "source_preserved")


def test_every_axis_has_a_remedy_and_a_diagnosis_names_one_that_counts() -> None:
    for axis in MENDS:
        diagnosis = diagnose(judge(critique({axis: 0.0}), {axis: 0.5}))
        assert diagnosis is not None
        assert diagnosis.axis == axis
    group = Group(axes=("edit_applied", "instruction_followed"), need="model")
    found: dict[str, float | None] = {"edit_applied": 0.0, "instruction_followed": 0.4}
    assert failed_axes(judge(critique(found), dict.fromkeys(found, 0.5), combine=[group])) == ("instruction_followed",)


MEASURED = dict.fromkeys(MEASURED_GATES, 0.5)
WHOLE = MEASURED | {"edit_applied": 0.5} | dict.fromkeys(MODEL_AXES, 0.5)


@pytest.mark.parametrize(
    ("thresholds", "combine", "told"),
    [
        (MEASURED | {"beauty": 0.5}, [], "no axis beauty"),
        (MEASURED | {"visual_quality": 0.5, "model_safety": 0.5}, [], "instruction_followed"),
        (MEASURED | {"visual_quality": 0.5, "instruction_followed": 0.5}, [], "model_safety"),
        (WHOLE, [{"axes": ["edit_applied", "beauty"], "need": "all"}], "beauty has no threshold"),
        (WHOLE, [{"axes": ["safety", "model_safety"], "need": "model"}], "a gate always counts"),
        (WHOLE, [{"axes": ["edit_applied"], "need": "all"}], "at least 2"),
        (WHOLE, [{"axes": ["edit_applied", "edit_applied"], "need": "all"}], "twice"),
        (WHOLE, [{"axes": ["edit_applied", "instruction_followed"], "need": "any"}], "any_judged"),
        (WHOLE, [{"axes": ["visual_quality", "instruction_followed"], "need": "measured"}], "no measured axis"),
    ],
)
def test_thresholds_and_groups_that_cannot_be_meant_are_refused(
    thresholds: dict[str, float], combine: list[object], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        PolicyConfig.model_validate(
            {"thresholds": thresholds, "key_frame_thresholds": {"safety": 0.5}, "combine": combine}
        )


def test_a_group_can_be_given_on_the_command_line_and_a_wrong_one_is_one_line() -> None:
    model = [f"policy.thresholds.{axis}=0.75" for axis in MODEL_AXES]
    group = "policy.combine=[{axes: [edit_applied, instruction_followed], need: any_judged}]"
    assert load_profile("embedded", [*model, group]).policy.combine[0].need == "any_judged"
    with pytest.raises(ProfileError, match="a gate always counts by itself"):
        load_profile("embedded", [*model, "policy.combine=[{axes: [safety, edit_applied], need: all}]"])
