"""Weights that are offloaded, and the steps a network takes when memory is short, change no video."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ditto_models.base import EditRequest, KeyFramedClip
from ditto_models.executors.of_call import call_scope
from ditto_models.gpu import placement as placement_module
from ditto_models.gpu.memory import Descent, descending
from ditto_models.gpu.offload import Offload, Visits, offloaded, released, resident
from ditto_models.gpu.placement import ease, ladder, placed
from ditto_models.gpu.sigmas import FewSteps
from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig
from ditto_models.gpu.weights import WeightsConfig
from tests.tiny_calls import copied, error_of, forward, loaded_vace, placement, video
from tests.tiny_wan import tiny_vace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vace(tmp_path_factory.mktemp("vace"))


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Any:
    return loaded_vace(folder)


@pytest.fixture
def pipeline(loaded: Any) -> Any:
    return copied(loaded)


@pytest.fixture(scope="module")
def plain(loaded: Any) -> torch.Tensor:
    return forward(loaded.transformer)


@pytest.fixture(scope="module")
def plain_video(loaded: Any) -> torch.Tensor:
    return video(loaded)


@pytest.mark.parametrize("offload", ["model", "group", "sequential"])
def test_each_offloading_gives_the_same_video_every_time(
    offload: str, pipeline: Any, plain_video: torch.Tensor
) -> None:
    placed(pipeline, placement(offload=offload))
    assert torch.equal(video(pipeline), plain_video)
    assert torch.equal(video(pipeline), plain_video)


def test_one_offloading_follows_another_on_a_loaded_network(pipeline: Any, plain_video: torch.Tensor) -> None:
    placed(pipeline, placement())
    for offload in ("model", "group", "sequential", "group", "none"):
        released(pipeline)
        offloaded(pipeline, offload, CPU)
        assert torch.equal(video(pipeline), plain_video), offload


def test_what_may_wait_elsewhere_is_what_does_not_come_and_go_by_itself(pipeline: Any) -> None:
    names = {model: name for name, model in pipeline.components.items() if isinstance(model, torch.nn.Module)}
    placed(pipeline, placement())
    stays: dict[Offload, set[str]] = {"none": {*names.values()}, "model": set(), "group": {"text_encoder", "vae"}}
    for offload, expected in stays.items():
        released(pipeline)
        offloaded(pipeline, offload, CPU)
        assert {names[model] for model in resident(pipeline)} == expected, offload


def test_quantized_weights_are_streamed_too(pipeline: Any, plain: torch.Tensor) -> None:
    transformer = placed(pipeline, placement(quantization="int8_weight", offload="group")).transformer
    assert 1e-4 < error_of(forward(transformer), plain) < 0.01


def test_steps_go_from_what_costs_least_to_what_saves_most(pipeline: Any) -> None:
    gpu = torch.device("cuda")
    assert ladder(placement(), gpu, pipeline) == ("vae_tiling", "model", "group", "sequential")
    assert ladder(placement(vae_tiling=True, offload="model"), gpu, pipeline) == ("group", "sequential")
    assert ladder(placement(offload="sequential"), gpu, SimpleNamespace(vae=None)) == ()
    assert ladder(placement(), CPU, pipeline) == ("vae_tiling",), "a CPU has no other memory to put weights into"


def test_easing_on_a_cpu_tiles_once_and_then_says_that_nothing_is_left(pipeline: Any) -> None:
    placed(pipeline, placement())
    assert not pipeline.vae.use_tiling
    assert ease(pipeline, placement()) == "encodes and decodes in tiles from now on"
    assert pipeline.vae.use_tiling
    assert ease(pipeline, placement()) == ""


def test_a_pipeline_is_placed_as_far_down_as_its_network_has_come(pipeline: Any) -> None:
    descent = Descent()
    with descending(descent):
        placed(pipeline, placement())
    assert descent.step().startswith("encodes and decodes in tiles")
    with descending(descent):
        placed(pipeline, placement())
    assert pipeline.vae.use_tiling
    assert descent.step() == ""


def test_weights_that_do_not_fit_are_offloaded_at_once_not_read_again_to_be_tiled(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_module, "device_of", lambda _: torch.device("cuda"))

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(placement_module, "with_attention", lambda *_: None)
    monkeypatch.setattr(placement_module, "offloaded", full)
    descent = Descent()
    for steps, said in ((2, "only the model at work"), (3, "streams blocks"), (4, "streams single layers")):
        with descending(descent), pytest.raises(torch.OutOfMemoryError):
            placed(pipeline, placement())
        assert said in descent.step()
        assert descent.steps == steps
    with descending(descent), pytest.raises(torch.OutOfMemoryError):
        placed(pipeline, placement())
    assert descent.step() == ""


class Cramped(WanVace):
    """Runs out of memory once while it is put in place."""

    tight = True

    def load(self) -> Any:
        pipeline = super().load()
        if self.tight:
            self.tight = False
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pipeline


def test_a_generator_that_runs_out_of_memory_while_loading_loads_further_down(folder: Path) -> None:
    network = Cramped(
        WanVaceConfig(weights=WeightsConfig(repo=str(folder)), placement=placement(), sampling=FewSteps(num_steps=1))
    )
    source = np.zeros((5, 64, 64, 3), np.uint8)
    masks = np.zeros(source.shape[:3], np.float32)
    masks[:, 16:48, 16:48] = 1
    request = EditRequest(
        text="a cat", prompt="a cat", edit_type="add", scope="local", parameters={}, strength=1.0, seed=0
    )
    with call_scope() as notes:
        clip = KeyFramedClip(source=source, masks=masks, key_index=0, key_edited=source[0])
        made = network.generate(clip, request, "mask")
    assert made.shape == source.shape
    assert notes == [f"{network.name}: out of memory, encodes and decodes in tiles from now on"]


def test_a_text_encoder_comes_for_a_call_and_is_dropped_after_it_also_when_it_fails() -> None:
    layer = torch.nn.Linear(4, 4)
    at_home, seen = layer.weight.data_ptr(), []
    # Torch holds "cpu:0" for another device than "cpu" and copies to it.
    visits = Visits(layer, torch.device("cpu", 0))
    layer.register_forward_pre_hook(lambda *_: seen.append(layer.weight.data_ptr()))
    layer(torch.ones(2, 4))
    assert seen[0] != at_home
    assert layer.weight.data_ptr() == at_home
    with pytest.raises(RuntimeError):
        layer(torch.ones(2, 5))
    assert layer.weight.data_ptr() == at_home
    visits.end()
    layer(torch.ones(2, 4))
    assert seen[-1] == at_home
