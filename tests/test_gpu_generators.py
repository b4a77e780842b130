"""Wan-VACE on tiny weights, loaded by the very code that loads real ones: both routes, one expert and two."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Masks, UnsupportedEdit
from ditto_models.executors.of_call import CallCancelled, call_scope
from ditto_models.gpu.depth_anything import DepthAnythingConfig
from ditto_models.gpu.geometry import UnfitVideo
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.single_file import SingleFileConfig
from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_guides import tiny_depth
from tests.tiny_wan import tiny_vace, tiny_vace_of_two, watched

pytestmark = pytest.mark.slow

PLAIN = PlacementConfig(device="cpu", dtype="float32")
KEY = 4
FEATHER = 2


@pytest.fixture(scope="module")
def folder(quick_torch: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wan")


@pytest.fixture(scope="module")
def settings(folder: Path) -> dict[str, Any]:
    depth = DepthAnythingConfig(weights=WeightsConfig(repo=str(tiny_depth(folder / "depth"))), short_side=64)
    return {"depth": depth, "placement": PLAIN, "feather_pixels": FEATHER}


@pytest.fixture(scope="module")
def one(folder: Path, settings: dict[str, Any]) -> WanVace:
    weights = WeightsConfig(repo=str(tiny_vace(folder / "one")))
    return WanVace(WanVaceConfig(weights=weights, **settings))


@pytest.fixture(scope="module")
def two_weights(folder: Path) -> WeightsConfig:
    return WeightsConfig(repo=str(tiny_vace_of_two(folder / "two")))


def noise(seed: int, *shape: int) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


SOURCE = noise(0, 9, 64, 64, 3)
KEY_EDITED: Frame = noise(1, 64, 64, 3)
MASKS: Masks = np.zeros((9, 64, 64), np.float32)
MASKS[:7, 16:48, 20:44] = 0.9
MASKS[0, 40:48] = 0.3
"""Softly masked pixels below a half are not of the region; the last two frames have none."""


def request(**changes: Any) -> EditRequest:
    given = {"prompt": "a red car in snow", "edit_type": "replace", "scope": "local", "parameters": {}}
    return EditRequest(**{"text": "make the car red", "strength": 1.0, "seed": 7, **given, **changes})


def structure(network: WanVace, source: Frames = SOURCE, key_edited: Frame = KEY_EDITED, **changes: Any) -> Frames:
    clip = KeyFramedClip(source=source, masks=np.zeros_like(MASKS), key_index=KEY, key_edited=key_edited)
    return network.generate(clip, request(**changes), "structure")


def masked(network: WanVace, masks: Masks = MASKS, key_edited: Frame = KEY_EDITED, **changes: Any) -> Frames:
    clip = KeyFramedClip(source=SOURCE, masks=masks, key_index=KEY, key_edited=key_edited)
    return network.generate(clip, request(**changes), "mask")


def test_structure_follows_depth_key_frame_words_seed_and_strength(one: WanVace) -> None:
    made = structure(one)
    assert made.shape == SOURCE.shape
    assert made.dtype == np.uint8
    assert made.std() > 0
    assert np.array_equal(structure(one), made), "the same seed gives the same video"
    others = {
        "depth": structure(one, source=noise(3, *SOURCE.shape)),
        "key frame": structure(one, key_edited=noise(2, 64, 64, 3)),
        "prompt": structure(one, prompt="a blue bird"),
        "seed": structure(one, seed=8),
        "strength": structure(one, strength=0.3),
    }
    assert not [name for name, other in others.items() if np.array_equal(other, made)]


def test_steps_are_at_the_levels_of_the_distillation(one: WanVace) -> None:
    pipeline = one.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer) as timesteps:
        structure(one)
    assert timesteps == pytest.approx([1000, 937.5, 833.33, 625], abs=0.01)
    assert pipeline.scheduler.sigmas.tolist() == pytest.approx([1, 0.9375, 0.8333, 0.625, 0], abs=1e-4)


def test_many_steps_are_the_models_own(folder: Path, settings: dict[str, Any], one: WanVace) -> None:
    negative = {"guidance_scale": 4.0, "negative_prompt": "blurred"}
    sampling = {"kind": "full", "num_steps": 3}
    config = WanVaceConfig.model_validate({"weights": one.config.weights, "sampling": sampling, **negative, **settings})
    network = WanVace(config)
    pipeline = network.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer) as timesteps, watched(pipeline.text_encoder) as encoded:
        structure(network)
    assert type(pipeline.scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"
    assert len(timesteps) == 6, "with guidance each step runs twice"
    assert len(encoded) == 2, "the prompt and the negative one"
    other = WanVace(config.model_copy(update={"negative_prompt": "dark"}))
    assert not np.array_equal(structure(other), structure(network))


def test_mask_leaves_the_source_exactly_outside_the_mask(one: WanVace) -> None:
    made = masked(one)
    region = MASKS > 0.5
    reach = np.zeros_like(region)
    reach[:7, 16 - FEATHER : 48 + FEATHER, 20 - FEATHER : 44 + FEATHER] = True
    assert np.array_equal(made[~reach], SOURCE[~reach])
    assert (made[region] != SOURCE[region]).mean() > 0.9
    assert np.array_equal(masked(one), made)
    moved = np.roll(MASKS, 8, axis=2)
    within = region & (moved > 0.5)
    others = {
        "mask": masked(one, masks=moved),
        "key frame": masked(one, key_edited=noise(2, 64, 64, 3)),
        "prompt": masked(one, prompt="a blue bird"),
    }
    assert not [name for name, other in others.items() if np.array_equal(other[within], made[within])]


def test_the_key_frame_may_stand_in_the_video(settings: dict[str, Any], one: WanVace) -> None:
    ways = {"reference": masked(one)}
    for enters in ("frame", "both"):
        network = WanVace(WanVaceConfig(weights=one.config.weights, **settings, key_frame_enters=enters))
        ways[enters] = masked(network)
        assert not np.array_equal(masked(network, key_edited=noise(2, 64, 64, 3)), ways[enters])
    assert len({video.tobytes() for video in ways.values()}) == 3
    assert {video.shape for video in ways.values()} == {SOURCE.shape}, "no reference frame is left in front"


def test_a_prompt_is_encoded_once_and_depth_is_measured_once(
    settings: dict[str, Any], one: WanVace, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = WanVace(WanVaceConfig(weights=one.config.weights, **settings))
    measured: list[int] = []
    measure = network.measure_depth

    def watched_measure(source: Frames) -> Masks:
        measured.append(1)
        return measure(source)

    monkeypatch.setattr(network, "measure_depth", watched_measure)
    pipeline = network.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.text_encoder) as encoded:
        structure(network)
        structure(network, seed=8)
        masked(network)
        assert len(encoded) == 1, "and no negative prompt without guidance"
        structure(network, prompt="another")
        assert len(encoded) == 2
    assert len(measured) == 1
    network.unload()
    again = network.with_loaded(lambda pipeline: pipeline)
    with watched(again.text_encoder) as encoded:
        structure(network)
    assert again is not pipeline
    assert not encoded, "what was encoded outlives the weights"
    structure(network, source=noise(3, *SOURCE.shape))
    assert len(measured) == 2


def test_embeddings_are_those_of_diffusers(one: WanVace, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.pipelines.wan import pipeline_wan_vace

    from ditto_models.gpu.wan_text import MOST_TOKENS, encoded

    # What it cleans prompts with needs ftfy, which is not installed.
    monkeypatch.setattr(pipeline_wan_vace, "prompt_clean", str)
    pipeline = one.with_loaded(lambda pipeline: pipeline)
    for prompt in ("a red car", "", "x" * 600):
        with torch.no_grad():
            theirs, _ = pipeline.encode_prompt(prompt, None, False, max_sequence_length=MOST_TOKENS)
        with call_scope() as notes:
            assert torch.equal(encoded(pipeline.tokenizer, pipeline.text_encoder, prompt, "cpu"), theirs)
        assert len(notes) == (len(prompt) > MOST_TOKENS), "what is cut is said"


def test_without_a_description_the_instruction_is_read_and_the_trace_says_so(one: WanVace) -> None:
    with call_scope() as notes:
        made = structure(one, prompt="")
    assert len(notes) == 1
    assert np.array_equal(structure(one, prompt="make the car red"), made)


def test_two_experts_each_run_on_their_side_of_the_boundary(
    settings: dict[str, Any], two_weights: WeightsConfig
) -> None:
    network = WanVace(WanVaceConfig(weights=two_weights, **settings))
    pipeline = network.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer) as high, watched(pipeline.transformer_2) as low:
        made = masked(network)
    assert high == pytest.approx([1000, 937.5])
    assert low == pytest.approx([833.33, 625], abs=0.01)
    assert made.shape == SOURCE.shape
    moved = WanVace(WanVaceConfig(weights=two_weights, boundary_ratio=0.7, **settings))
    pipeline = moved.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer_2) as low:
        assert not np.array_equal(masked(moved), made)
    assert low == pytest.approx([625])


def test_an_expert_that_would_never_run_is_refused(
    folder: Path, settings: dict[str, Any], two_weights: WeightsConfig
) -> None:
    few = {"sampling": {"kind": "few", "num_steps": 1}}
    with pytest.raises(WeightsError, match="low-noise expert"):
        structure(WanVace(WanVaceConfig.model_validate({"weights": two_weights, **few, **settings})))
    unsaid = WeightsConfig(repo=str(tiny_vace_of_two(folder / "unsaid", boundary_ratio=None)))
    with pytest.raises(WeightsError, match="set boundary_ratio"):
        structure(WanVace(WanVaceConfig(weights=unsaid, **settings)))


def test_a_lora_is_fused_and_a_transformer_may_be_one_file(
    folder: Path, settings: dict[str, Any], one: WanVace, two_weights: WeightsConfig
) -> None:
    from safetensors.torch import load_file, save_file

    wide = torch.ones(48, 2)
    save_file(
        {"blocks.0.attn1.to_q.lora_B.weight": wide, "blocks.0.attn1.to_q.lora_A.weight": wide.T.contiguous()},
        folder / "l.safetensors",
    )
    lora = LoraConfig(repo=str(folder), file="l.safetensors", weight=0.5)
    bent = WanVace(WanVaceConfig(weights=one.config.weights, loras=(lora,), **settings))
    with call_scope() as notes:
        made = structure(bent)
    assert any("changed 1 of 1 weights of transformer" in line for line in notes)
    assert not np.array_equal(made, structure(one))
    file = SingleFileConfig(repo=f"{two_weights.repo}/transformer", file="diffusion_pytorch_model.safetensors")
    network = WanVace(WanVaceConfig(weights=one.config.weights, transformer_file=file, **settings))
    loaded = network.with_loaded(lambda pipeline: pipeline).transformer.state_dict()
    theirs = load_file(Path(file.repo) / file.file)
    assert all(torch.equal(loaded[name], weights) for name, weights in theirs.items())
    assert not np.array_equal(structure(network), structure(one))


def test_what_does_not_fit_is_refused_in_one_line(one: WanVace) -> None:
    key = KEY_EDITED
    refused: list[tuple[type[Exception], str, tuple[Frames, Masks, Frame]]] = [
        (UnfitVideo, "9 or 13", (noise(0, 10, 64, 64, 3), np.ones((10, 64, 64), np.float32), key)),
        (UnfitVideo, "64x48 or 64x64", (noise(0, 9, 60, 64, 3), np.ones((9, 60, 64), np.float32), key[:60])),
        (UnsupportedEdit, "empty mask", (SOURCE, np.full_like(MASKS, 0.5), key)),
    ]
    for error, words, (source, masks, edited) in refused:
        clip = KeyFramedClip(source=source, masks=masks, key_index=KEY, key_edited=edited)
        with pytest.raises(error, match=words) as caught:
            one.generate(clip, request(), "mask")
        assert "\n" not in str(caught.value)


def test_a_cancelled_call_ends_between_steps_and_the_network_works_on(one: WanVace) -> None:
    before = structure(one)
    pipeline = one.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer) as timesteps:
        with call_scope(cancelled=lambda: len(timesteps) == 2), pytest.raises(CallCancelled):
            structure(one)
        assert len(timesteps) == 2
    assert np.array_equal(structure(one), before)


def test_it_travels_as_its_config_and_keeps_precision_where_it_must(settings: dict[str, Any], one: WanVace) -> None:
    placement = PlacementConfig(device="cpu", dtype="bfloat16")
    config = WanVaceConfig.model_validate({**settings, "weights": one.config.weights, "placement": placement})
    network = pickle.loads(pickle.dumps(WanVace(config)))
    assert network.config == config
    made = structure(network)
    pipeline = network.with_loaded(lambda pipeline: pipeline)
    assert pipeline.transformer.blocks[0].attn1.to_q.weight.dtype is torch.bfloat16
    assert pipeline.text_encoder.dtype is torch.bfloat16
    assert pipeline.vae.dtype is torch.float32
    assert np.abs(made.astype(int) - structure(one)).mean() < 8, "nearly what full precision makes"
