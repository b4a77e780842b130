"""The test of the curriculum: its pairs are what they say, its measures measure, and it runs, two steps long."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.curriculum_clips import OPTIONS, Pair, pairs, render
from bench.curriculum_codec import fit, peak_signal_to_noise
from bench.curriculum_measures import difference, edit_applied, levels
from bench.curriculum_setting import ARMS, LONGER, Setting

QUICK = Setting(
    base_steps=2,
    base_clips=16,
    codec_clips=64,
    num_pairs=8,
    num_held_out=2,
    steps=2,
    batch=2,
    seeds=(0,),
    look_every=1,
    levels=2,
    euler_steps=2,
)


@pytest.fixture(scope="module")
def made() -> list[Pair]:
    return pairs(0, 200)


def test_a_pair_follows_from_its_seed_and_its_edit_changes_it(made: list[Pair]) -> None:
    assert pairs(0, 200) == made
    assert pairs(1, 5) != made[:5]
    assert {each.kind for each in made} == set(OPTIONS)
    for each in made[:30]:
        source, edited = render(each.source), render(each.edited)
        assert np.array_equal(source, render(each.source))
        assert np.abs(source.astype(int) - edited).mean() > 0.5, each


def test_no_two_edits_of_a_shape_share_the_words_of_a_sentence_in_any_order(made: list[Pair]) -> None:
    meant: dict[tuple[str, ...], tuple[str, str]] = {}
    for each in [*made, *pairs(1, 1000)]:
        words = tuple(sorted(each.instruction.split()))
        assert meant.setdefault(words, (each.kind, each.value)) == (each.kind, each.value), each.instruction


def test_combinations_held_back_are_never_among_the_others(made: list[Pair]) -> None:
    new = pairs(0, 50, held_back=True)
    combinations = [{(each.kind, each.value, each.source.shape) for each in some} for some in (made, new)]
    assert not combinations[0] & combinations[1]
    assert Counter(each.is_held_back for each in new) == {True: 50}


def test_the_codec_keeps_more_of_what_it_was_fitted_to_than_of_noise(made: list[Pair]) -> None:
    clips = [render(each.edited) for each in made[:40]]
    codec = fit(clips)
    assert codec.encode(clips[0]).shape == (16, 2, 8, 8)
    assert codec.encode(clips[0][:1]).shape == (16, 1, 8, 8)
    of_clips = np.stack([codec.encode(clip) for clip in clips])
    assert of_clips[:, :, 0].std(axis=(0, 2, 3)) == pytest.approx(np.ones(16), rel=0.01)
    noise = np.random.default_rng(0).integers(0, 256, clips[0].shape, np.uint8)
    assert peak_signal_to_noise(codec, clips) > 20 > peak_signal_to_noise(codec, [noise])


def test_an_edit_counts_by_how_near_it_comes() -> None:
    rng = np.random.default_rng(0)
    source, edited = (rng.integers(0, 256, (5, 16, 16, 3), np.uint8) for _ in range(2))
    half = ((source.astype(int) + edited) // 2).astype(np.uint8)
    assert edit_applied(edited, source, edited) == 1
    assert edit_applied(half, source, edited) == pytest.approx(0.5, abs=0.01)
    assert edit_applied(source, source, edited) == 0
    assert edit_applied(255 - edited, source, edited) < 0


def test_a_difference_has_the_interval_of_students_t() -> None:
    found = difference([1.0, 2.0, 3.0], [0.0, 2.0, 1.0])
    assert found.mean == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((1 - 2.484, 1 + 2.484), abs=0.001)
    ten = difference([float(number) for number in range(10)], [0.0] * 10)
    assert ten.high - ten.mean == pytest.approx(2.166, abs=0.001)


def test_more_seeds_than_the_interval_is_known_for_are_refused_before_hours_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.curriculum import main

    seeds = [word for seed in range(11) for word in ("--seed", str(seed))]
    monkeypatch.setattr("sys.argv", ["bench.curriculum", "--out", str(tmp_path / "out"), *seeds])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert "11 seeds; expected at most 10" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_arms_differ_in_when_the_frame_is_given_alone() -> None:
    setting = Setting()
    first, last = ({arm: setting.curriculum(arm).key_frame.at(step) for arm in ARMS} for step in (0, setting.steps - 1))
    assert first == {"curriculum": 1, "instruction alone": 0, "frame always": 1}
    assert last == {"curriculum": 0, "instruction alone": 0, "frame always": 1}
    assert len({setting.curriculum(arm).order.model_dump_json() for arm in ARMS}) == 1
    assert {setting.steps_of(arm) for arm in ARMS} == {setting.steps}
    assert setting.curriculum(LONGER) == setting.curriculum("instruction alone")
    # As many samples of 32 tokens as the curriculum's, a fifth of which have 48.
    given = [setting.curriculum("curriculum").key_frame.at(step) for step in range(setting.steps)]
    assert setting.steps_of(LONGER) * 32 == pytest.approx(sum(32 + 16 * share for share in given), rel=0.001)
    of_training = levels(setting)
    assert 0 < of_training[0] < of_training[-1] < 1
    assert np.mean(of_training) > 0.6


@pytest.mark.slow
@pytest.mark.usefixtures("quick_torch")
def test_it_runs_draws_and_does_not_run_again_what_is_there(tmp_path: Path) -> None:
    from bench.curriculum import run, table
    from bench.curriculum_base import vace_of
    from bench.curriculum_measures import held_out_loss
    from bench.curriculum_pairs import ProceduralItems, fitted_codec
    from bench.curriculum_pictures import draw_curves, draw_edits

    said: list[str] = []
    results = run(QUICK, tmp_path, said.append)
    assert [(result.seed, result.arm) for result in results] == [(0, arm) for arm in ARMS]
    assert all(np.isfinite([result.loss, result.applied, result.loss_of_new]).all() for result in results)
    assert len({result.curve[0][1] for result in results}) == 1, "a fresh context branch changes nothing"
    assert len({result.loss for result in results}) == len(results)
    said.clear()
    assert run(QUICK, tmp_path, said.append) == results
    assert len(said) == 1, "the codec alone"
    again = [result.model_copy(update={"seed": 1, "loss": result.loss + 1}) for result in results]
    lines = table([*results, *again]).splitlines()
    assert "held-out loss, curriculum less instruction alone" in lines[-3]
    assert [line.split(" | ")[0] for line in lines[2:5]] == [f"| {arm}" for arm in ARMS]
    items = ProceduralItems(pairs(0, 2), fitted_codec(64)).all()
    fresh = [held_out_loss(vace_of(tmp_path / "base", seed), items, QUICK) for seed in (0, 1)]
    assert fresh[0] == pytest.approx(fresh[1])
    draw_curves(QUICK, results, tmp_path / "curves.png")
    draw_edits(QUICK, results, tmp_path, tmp_path / "edits.jpg", most=2)
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert (tmp_path / "edits.jpg").stat().st_size > 5000
