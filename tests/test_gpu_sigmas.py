"""Noise levels, geometry, and what VACE is shown: the pure parts of the video networks, by numbers and properties."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ditto_models.gpu.geometry import LargestVideo, UnfitVideo, check_video, fitting_lengths, fitting_sides
from ditto_models.gpu.recent import Recent
from ditto_models.gpu.sigmas import few_step_sigmas, idle_expert, of_timesteps, tail_sigmas
from ditto_models.gpu.vace_controls import GREY, composed, mask_controls, region_of, structure_controls
from ditto_models.gpu.wan22_enhancer import Wan22EnhancerConfig

LARGEST = LargestVideo(frames=41, pixels=96 * 96)


def test_four_distilled_steps_are_at_the_levels_of_the_distillation() -> None:
    assert few_step_sigmas(4, 5.0) == pytest.approx((1, 0.9375, 0.8333, 0.625, 0), abs=1e-4)


def test_the_tail_of_dittos_enhancer_starts_at_571() -> None:
    assert tail_sigmas(40, 12.0, 4) == pytest.approx((0.5714, 0.4932, 0.3871, 0.2353, 0), abs=1e-4)
    assert Wan22EnhancerConfig().medium == (571.4, 493.2, 387.1, 235.3)
    assert of_timesteps((500, 375, 250, 125)) == (0.5, 0.375, 0.25, 0.125, 0)


@given(st.integers(1, 60), st.floats(0.5, 20))
def test_levels_fall_from_all_noise_to_none_and_a_shift_stays_longer_at_noise(num_steps: int, shift: float) -> None:
    sigmas = few_step_sigmas(num_steps, shift)
    assert (sigmas[0], sigmas[-1], len(sigmas)) == (1, 0, num_steps + 1)
    assert all(later < earlier for earlier, later in pairwise(sigmas))
    further = few_step_sigmas(num_steps, shift + 1)
    assert all(more >= less for more, less in zip(further, sigmas, strict=True))


def test_an_expert_without_a_step_is_named() -> None:
    assert idle_expert(few_step_sigmas(4, 5.0), 0.875) == ""
    assert idle_expert(few_step_sigmas(1, 5.0), 0.875) == "low-noise"
    assert idle_expert((0.5, 0.2, 0.0), 0.875) == "high-noise"
    assert idle_expert((0.875, 0.2, 0.0), 0.875) == "", "the boundary itself belongs to high noise, as in diffusers"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"low": (375.0, 400.0)}, "falling"),
        ({"medium": (923.0, 500.0)}, "below 875"),
        ({"low": (100.0, 0.0)}, "above 0"),
        ({"guidance_scale": 3.0}, "change nothing"),
    ],
)
def test_an_enhancer_that_cannot_do_what_it_says_is_refused(wrong: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Wan22EnhancerConfig.model_validate(wrong)


@given(st.integers(0, 50), st.integers(0, 120), st.integers(0, 120))
def test_a_video_passes_or_the_message_says_what_would(length: int, height: int, width: int) -> None:
    fits = length % 4 == 1 and height > 0 and width > 0 and not height % 16 and not width % 16
    within = length <= LARGEST.frames and height * width <= LARGEST.pixels
    video = np.broadcast_to(np.uint8(0), (length, height, width, 3))
    if fits and within:
        check_video("wan", video, LARGEST)
        return
    with pytest.raises(UnfitVideo) as refused:
        check_video("wan", video, LARGEST)
    message = str(refused.value)
    assert "\n" not in message
    if length % 4 != 1:
        assert any(f"{fit} " in message or f"{fit}:" in message for fit in fitting_lengths(length))
    elif not fits:
        assert f"{fitting_sides(width)[1]}x{fitting_sides(height)[1]}" in message


@given(st.integers(1, 2000))
def test_what_is_said_to_fit_does_and_is_nearest(size: int) -> None:
    assert all(fit % 4 == 1 and abs(fit - size) <= 4 for fit in fitting_lengths(size))
    below, above = fitting_sides(size)
    assert below % 16 == above % 16 == 0
    assert above - size < 16
    assert size < 16 or 0 <= size - below < 16


def test_what_is_no_video_is_refused() -> None:
    with pytest.raises(UnfitVideo, match="uint8 RGB"):
        check_video("wan", np.zeros((5, 16, 16, 3), np.float32), LARGEST)


def scene(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (5, 32, 48, 3), np.uint8)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(0, 6))
def test_an_edit_is_exact_inside_and_outside_and_mixed_only_along_the_border(seed: int, feather: int) -> None:
    rng = np.random.default_rng(seed)
    source, made = scene(seed), scene(seed + 1)
    masks = np.zeros(source.shape[:3], np.float32)
    for index in range(1, 5):  # the first frame has nothing to edit
        top, left = rng.integers(0, 24, 2)
        masks[index, top : top + 8, left : left + 8] = 1
    region = region_of(masks)
    edited = composed(source, made, region, feather)
    assert np.array_equal(edited[region], made[region])
    assert np.array_equal(edited[0], source[0])
    near = np.stack([_within(inside, feather) for inside in region])
    assert np.array_equal(edited[~near], source[~near])
    low, high = np.minimum(source, made), np.maximum(source, made)
    assert bool(((low <= edited) & (edited <= high)).all())


def _within(
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], pixels: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """By hand: which pixels lie so near to the region."""
    grown = np.zeros_like(inside)
    reach = range(-pixels, pixels + 1)
    for down, right in ((y, x) for y in reach for x in reach if y * y + x * x <= pixels * pixels):
        moved = np.pad(inside, pixels)[
            pixels - down : pixels - down + inside.shape[0], pixels - right : pixels - right + inside.shape[1]
        ]
        grown |= moved
    return grown


def test_a_masked_edit_shows_the_source_grey_where_it_is_made_anew() -> None:
    source, key = scene(0), scene(1)[0]
    region = np.zeros(source.shape[:3], bool)
    region[:, 8:16, 8:16] = True
    beside = mask_controls(source, region, 2, key, "reference")
    assert bool((beside.video[region] == GREY).all())
    assert np.array_equal(beside.video[~region], source[~region])
    assert beside.anew is not None
    assert np.array_equal(beside.anew, region)
    assert [bool(np.array_equal(image, key)) for image in beside.references] == [True]
    within = mask_controls(source, region, 2, key, "frame")
    assert within.references == ()
    assert np.array_equal(within.video[2], key)
    assert within.anew is not None
    assert not within.anew[2].any(), "the key frame is kept as it is"
    assert within.anew[[0, 1, 3, 4]].sum() == region[[0, 1, 3, 4]].sum()
    assert len(mask_controls(source, region, 2, key, "both").references) == 1
    assert region[2].any(), "the region itself is left alone: the result is composed by it"


def test_a_structural_edit_shows_depth_in_grey() -> None:
    nearness = np.arange(5 * 32 * 48, dtype=np.uint32).reshape(5, 32, 48).astype(np.uint8)
    controls = structure_controls(nearness, scene(1)[0])
    assert controls.anew is None
    assert all(np.array_equal(controls.video[..., channel], nearness) for channel in range(3))


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 4))
def test_recent_results_are_made_once_and_the_oldest_go(asked: list[int], most: int) -> None:
    made: list[int] = []
    recent: Recent[int, int] = Recent(most)
    kept: list[int] = []
    for key in asked:

        def make(key: int = key) -> int:
            made.append(key)
            return key * 10

        count = len(made)
        assert recent.get(key, make) == key * 10
        assert (len(made) == count) == (key in kept)
        kept = [*[other for other in kept if other != key], key][-most:]


def test_networks_are_made_from_settings_without_torch() -> None:
    code = (
        "import sys\n"
        "from ditto_models.gpu.wan22_enhancer import Wan22Enhancer, Wan22EnhancerConfig\n"
        "from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig\n"
        "WanVace(WanVaceConfig()), Wan22Enhancer(Wan22EnhancerConfig())\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_an_enhancer_never_asks_for_the_expert_that_it_does_not_read() -> None:
    given = Wan22EnhancerConfig.model_validate({"weights": {"repo": "org/wan22"}})
    assert "transformer_2" in given.weights.parts
    assert "transformer" not in given.weights.parts
