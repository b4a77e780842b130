"""The enhancer on tiny weights: the low-noise expert of Wan2.2 alone."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ditto_models.base import Frames
from ditto_models.executors.of_call import CallCancelled, call_scope
from ditto_models.gpu.geometry import UnfitVideo
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.wan22_enhancer import Wan22Enhancer, Wan22EnhancerConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_wan import tiny_wan22, watched

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(quick_torch: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a folder without the expert for high noise and without a scheduler."""
    folder = tiny_wan22(tmp_path_factory.mktemp("wan22") / "tiny")
    shutil.rmtree(folder / "transformer")
    shutil.rmtree(folder / "scheduler")
    return {"weights": WeightsConfig(repo=str(folder)), "placement": PlacementConfig(device="cpu", dtype="float32")}


@pytest.fixture(scope="module")
def network(settings: dict[str, Any]) -> Wan22Enhancer:
    return Wan22Enhancer(Wan22EnhancerConfig(**settings))


@pytest.fixture(scope="module")
def edited() -> Frames:
    """Nine frames of a slope that moves, 64 x 64."""
    slope = np.add.outer(np.arange(9) * 3, np.add.outer(np.arange(64), np.arange(64)))
    return np.repeat((slope[..., None] % 256).astype(np.uint8), 3, axis=3)


def test_it_keeps_the_shape_and_strays_further_with_more_noise(network: Wan22Enhancer, edited: Frames) -> None:
    low = network.enhance(edited, edited, "low", 7)
    assert low.shape == edited.shape
    assert low.dtype == np.uint8
    assert np.array_equal(network.enhance(edited, edited, "low", 7), low)
    assert not np.array_equal(network.enhance(edited, edited, "low", 8), low)
    untouched = through_vae(network, edited)
    medium = network.enhance(edited, edited, "medium", 7)
    strays = [float(np.abs(video.astype(int) - untouched).mean()) for video in (low, medium)]
    assert 0 < strays[0] < strays[1]
    darker = network.enhance(edited, edited // 2, "low", 7)
    assert not np.array_equal(darker, low), "it is the edited video that is enhanced"


def through_vae(network: Wan22Enhancer, video: Frames) -> Frames:
    """What the VAE alone makes of a video: the least that an enhancer can change."""

    def decoded(pipeline: Any) -> Frames:
        pixels = torch.from_numpy(video).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        with torch.no_grad():
            again = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mode()).sample
        levels = ((again[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255)
        return np.asarray(levels.numpy(), np.uint8)

    return network.with_loaded(decoded)


def test_steps_are_exactly_those_of_the_settings(settings: dict[str, Any], edited: Frames) -> None:
    network = Wan22Enhancer(Wan22EnhancerConfig(**settings, low=(500, 375, 250, 125)))
    pipeline = network.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer) as seen:
        network.enhance(edited, edited, "low", 7)
    assert seen == [500, 375, 250, 125]
    assert pipeline.scheduler.sigmas.tolist() == [0.5, 0.375, 0.25, 0.125, 0]
    with watched(pipeline.transformer) as seen:
        network.enhance(edited, edited, "medium", 7)
    assert seen == pytest.approx([571.4, 493.2, 387.1, 235.3], abs=0.01)


def test_only_the_low_noise_expert_is_loaded_and_the_text_encoder_is_gone(network: Wan22Enhancer) -> None:
    from safetensors.torch import load_file

    pipeline = network.with_loaded(lambda pipeline: pipeline)
    (file,) = Path(network.config.weights.repo, "transformer_2").glob("*.safetensors")
    loaded = pipeline.transformer.state_dict()
    assert all(torch.equal(loaded[name], weights) for name, weights in load_file(file).items())
    assert pipeline.text_encoder is None
    assert pipeline.tokenizer is None


def test_another_models_weights_are_refused(settings: dict[str, Any], tmp_path: Path, edited: Frames) -> None:
    folder = tmp_path / "other"
    shutil.copytree(settings["weights"].repo, folder)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace('"WanPipeline"', '"WanVACEPipeline"'))
    network = Wan22Enhancer(Wan22EnhancerConfig(weights=WeightsConfig(repo=str(folder))))
    with pytest.raises(WeightsError, match="holds a WanVACEPipeline"):
        network.enhance(edited, edited, "low", 7)


def test_guidance_keeps_away_from_a_negative_prompt(
    settings: dict[str, Any], network: Wan22Enhancer, edited: Frames
) -> None:
    guided = Wan22Enhancer(Wan22EnhancerConfig(**settings, guidance_scale=3, negative_prompt="blurred"))
    assert not np.array_equal(guided.enhance(edited, edited, "low", 7), network.enhance(edited, edited, "low", 7))


def test_what_does_not_fit_is_refused(network: Wan22Enhancer, edited: Frames) -> None:
    longer = np.concatenate([edited, edited[:1]])
    with pytest.raises(UnfitVideo, match="9 or 13"):
        network.enhance(longer, longer, "low", 7)
    with pytest.raises(UnfitVideo, match="multiples of 16"):
        network.enhance(edited[:, :60], edited[:, :60], "low", 7)
    with pytest.raises(ValueError, match="as its source is"):
        network.enhance(edited, edited[:5], "low", 7)


def test_a_cancelled_call_ends_and_the_network_works_on_after_travelling(
    network: Wan22Enhancer, edited: Frames
) -> None:
    asked: list[int] = []
    before = network.enhance(edited, edited, "low", 7)

    def nobody_waits() -> bool:
        asked.append(1)
        return len(asked) == 3

    with call_scope(cancelled=nobody_waits), pytest.raises(CallCancelled):
        network.enhance(edited, edited, "low", 7)
    assert len(asked) == 3
    assert np.array_equal(network.enhance(edited, edited, "low", 7), before)
    travelled = pickle.loads(pickle.dumps(network))
    assert np.array_equal(travelled.enhance(edited, edited, "low", 7), before)
