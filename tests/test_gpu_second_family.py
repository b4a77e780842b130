"""LTX-2 in context on tiny weights: a second family of generators behind the protocol of the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Masks, Route, UnsupportedEdit
from ditto_models.executors.of_call import CallCancelled, call_scope
from ditto_models.gpu.geometry import UnfitVideo
from ditto_models.gpu.ltx2_in_context import LTX2InContext, LTX2InContextConfig, latent_index
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_editors import tiny_editor
from tests.tiny_ltx2 import tiny_ltx2

pytestmark = pytest.mark.slow

FRAMES, SIDE, KEY = 9, 64, 4
REQUEST = EditRequest(
    text="make it snow",
    prompt="a street in snow",
    edit_type="weather",
    scope="global",
    parameters={},
    strength=1,
    seed=3,
)


def noise(seed: int, *shape: int) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


SOURCE = noise(0, FRAMES, SIDE, SIDE, 3)
KEY_EDITED: Frame = noise(1, SIDE, SIDE, 3)
MASKS: Masks = np.zeros((FRAMES, SIDE, SIDE), np.float32)
MASKS[:, :32, 8:40] = 1


@pytest.fixture(scope="module")
def folder(quick_torch: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_ltx2(tmp_path_factory.mktemp("ltx2") / "ltx2")


def network(folder: Path, **settings: Any) -> LTX2InContext:
    plain = PlacementConfig(device="cpu", dtype="float32")
    quick = {"placement": plain, "num_steps": 2, "guidance": 1.0} | settings
    return LTX2InContext(LTX2InContextConfig(weights=WeightsConfig(repo=str(folder)), **quick))


@pytest.fixture(scope="module")
def ltx2(folder: Path) -> LTX2InContext:
    return network(folder)


def made(
    by: LTX2InContext,
    source: Frames = SOURCE,
    masks: Masks = MASKS,
    key_index: int = KEY,
    key_edited: Frame = KEY_EDITED,
    route: Route = "structure",
    **changes: Any,
) -> Frames:
    clip = KeyFramedClip(source=source, masks=masks, key_index=key_index, key_edited=key_edited)
    return by.generate(clip, replace(REQUEST, **changes), route)


def test_the_video_follows_source_key_frame_words_seed_and_strength(ltx2: LTX2InContext) -> None:
    first = made(ltx2)
    assert first.shape == SOURCE.shape
    assert first.dtype == np.uint8
    assert first.std() > 1
    assert np.array_equal(made(ltx2), first), "the same seed gives the same video"
    others = {
        "source": made(ltx2, source=noise(5, *SOURCE.shape)),
        "key frame": made(ltx2, key_edited=noise(6, SIDE, SIDE, 3)),
        "key frame's place": made(ltx2, key_index=8),
        "prompt": made(ltx2, prompt="a red brick house at night"),
        "seed": made(ltx2, seed=4),
        "strength": made(ltx2, strength=0.3),
    }
    assert not [what for what, other in others.items() if np.array_equal(other, first)]


def test_outside_the_mask_the_source_stays_and_inside_it_is_not_seen(folder: Path) -> None:
    ltx2 = network(folder, feather_pixels=0)
    first = made(ltx2, route="mask")
    region = MASKS > 0.5
    assert np.array_equal(first[~region], SOURCE[~region])
    assert (first[region] != SOURCE[region]).mean() > 0.9
    other = np.where(region[..., None], 255 - SOURCE, SOURCE)
    assert np.array_equal(made(ltx2, source=other, route="mask"), first)
    elsewhere = np.where(region[..., None], SOURCE, 255 - SOURCE)
    for what, changed in {
        "source": made(ltx2, source=elsewhere, route="mask"),
        "mask": made(ltx2, masks=np.roll(MASKS, 8, axis=2), route="mask"),
        "key frame": made(ltx2, key_edited=noise(6, SIDE, SIDE, 3), route="mask"),
        "prompt": made(ltx2, prompt="a red brick house at night", route="mask"),
    }.items():
        inside = region & (np.roll(MASKS, 8, axis=2) > 0.5)
        assert not np.array_equal(changed[inside], first[inside]), what
    with pytest.raises(UnsupportedEdit, match="empty mask"):
        made(ltx2, masks=np.zeros_like(MASKS), route="mask")


@pytest.mark.parametrize("key_index", [0, 1, 4, 8])
def test_the_key_frame_stands_exactly_at_its_moment(ltx2: LTX2InContext, key_index: int) -> None:
    pipeline = ltx2.with_loaded(lambda pipeline: pipeline)
    prepared: list[Any] = []
    original = pipeline.prepare_latents

    def watched(**arguments: Any) -> Any:
        prepared.append(original(**arguments))
        return prepared[-1]

    pipeline.prepare_latents = watched
    try:
        made(ltx2, key_index=key_index)
    finally:
        del pipeline.prepare_latents
    _, mask, _, coordinates, num_source_tokens, *_ = prepared[0]
    tokens = (SIDE // 32) ** 2
    assert num_source_tokens == 2 * tokens
    if key_index == 0:  # in place of the video's own first frame
        assert mask[0, :tokens].eq(1).all()
        assert mask[0, tokens : 2 * tokens].eq(0).all()
    else:  # beside it: from the beginning of its frame to that of the next
        moments = coordinates[0, 0, :tokens] * ltx2.config.frame_rate
        assert moments.tolist() == [pytest.approx([key_index, key_index + 1])] * tokens


def test_a_key_frames_place_in_latents_is_a_number_of_frames_again() -> None:
    assert [latent_index(frame) for frame in (0, 1, 9, 17)] == [0, 1, 2, 3]
    for frame in range(1, 258):
        assert (latent_index(frame) - 1) * 8 + 1 == frame


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((10, 64, 64, 3), "has 10 frames; .* needs 8k\\+1, for example 9 or 17"),
        ((13, 64, 64, 3), "for example 9 or 17"),
        ((9, 64, 80, 3), "is 80x64; .* needs multiples of 32, for example 64x64 or 96x64"),
        ((9, 48, 64, 3), "is 64x48; .* for example 64x32 or 64x64"),
        ((129, 64, 64, 3), "at most"),
    ],
)
def test_what_it_cannot_make_exactly_is_refused(ltx2: LTX2InContext, shape: tuple[int, ...], said: str) -> None:
    video = np.zeros(shape, np.uint8)
    with pytest.raises(UnfitVideo, match=said) as error:
        made(ltx2, source=video, masks=np.zeros(shape[:3], np.float32), key_edited=video[0])
    assert "\n" not in str(error.value)


def test_it_runs_in_the_precision_that_it_has_by_default(folder: Path, ltx2: LTX2InContext) -> None:
    first = made(ltx2)
    half = made(network(folder, placement=PlacementConfig(device="cpu")))
    assert np.abs(half.astype(int) - first).mean() < first.std()


def test_distilled_weights_run_at_exactly_their_levels(folder: Path) -> None:
    ltx2 = network(folder, distilled=True)
    video = made(ltx2)
    pipeline = ltx2.with_loaded(lambda pipeline: pipeline)
    levels = [1, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0]
    assert pipeline.scheduler.sigmas.tolist() == pytest.approx(levels, abs=1e-6)
    assert video.shape == SOURCE.shape


def test_guidance_and_the_negative_prompt_count(folder: Path) -> None:
    guided = made(network(folder, guidance=3.0, num_steps=2))
    assert guided.shape == SOURCE.shape
    assert not np.array_equal(guided, made(network(folder, num_steps=2)))
    assert not np.array_equal(guided, made(network(folder, guidance=3.0, num_steps=2, negative_prompt="blurred")))


def test_it_says_what_is_missing(folder: Path) -> None:
    with call_scope() as notes:
        made(network(folder), prompt="")
    assert any("without an in-context LoRA" in said for said in notes)
    assert any("no description" in said for said in notes)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    other = network(tiny_editor("flux2_klein", tmp_path / "klein"))
    with pytest.raises(WeightsError, match="holds a Flux2KleinPipeline; expected the weights of a LTX2InContext"):
        made(other)


def test_it_stops_between_two_steps(ltx2: LTX2InContext) -> None:
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 2

    with call_scope(cancelled), pytest.raises(CallCancelled):
        made(ltx2)
    assert made(ltx2).shape == SOURCE.shape
