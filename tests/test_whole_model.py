"""Weights of which something is missing are refused: transformers would make it up, and only warn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ditto_models.gpu.depth_anything import DepthAnything, DepthAnythingConfig
from ditto_models.gpu.dinov2 import Dinov2, Dinov2Config
from ditto_models.gpu.network import Network
from ditto_models.gpu.placement import DeviceConfig, PlacementConfig
from ditto_models.gpu.tensor_file import WeightsError
from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig
from ditto_models.gpu.weights import WeightsConfig
from tests.tiny_guides import tiny_depth, tiny_dinov2
from tests.tiny_wan import tiny_vace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]

DIFFUSERS = "diffusion_pytorch_model.safetensors"
Tensors = dict[str, torch.Tensor]


def depth(folder: Path) -> DepthAnything:
    tiny_depth(folder)
    config = DepthAnythingConfig(weights=WeightsConfig(repo=str(folder)), placement=DeviceConfig(dtype="float32"))
    return DepthAnything(config)


def vace(folder: Path) -> WanVace:
    tiny_vace(folder)
    placement = PlacementConfig(device="cpu", dtype="float32")
    return WanVace(WanVaceConfig(weights=WeightsConfig(repo=str(folder)), placement=placement))


def lost(tensors: Tensors) -> str:
    name = sorted(tensors)[len(tensors) // 2]
    del tensors[name]
    return name


def grown(tensors: Tensors) -> str:
    name = sorted(tensors)[len(tensors) // 2]
    tensors[name] = torch.zeros([side + 1 for side in tensors[name].shape])
    return name


@pytest.mark.parametrize(
    ("make", "file", "spoil"),
    [
        (depth, "model.safetensors", lost),
        (depth, "model.safetensors", grown),
        (vace, "text_encoder/model.safetensors", lost),
        (vace, f"transformer/{DIFFUSERS}", lost),
        (vace, f"vae/{DIFFUSERS}", lost),
    ],
)
def test_a_network_with_a_tensor_missing_is_refused_by_the_tensors_name(
    tmp_path: Path, make: Callable[[Path], Network[Any, Any]], file: str, spoil: Callable[[Tensors], str]
) -> None:
    network = make(tmp_path / "weights")
    tensors = load_file(tmp_path / "weights" / file)
    name = spoil(tensors)
    save_file(tensors, tmp_path / "weights" / file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=rf"lack 1 of the tensors of \w+, for example '{name}': they are another"):
        network.with_loaded(lambda loaded: None)


def test_another_models_weights_are_not_taken(tmp_path: Path) -> None:
    folder = tiny_depth(tmp_path / "depth")
    with pytest.raises(WeightsError, match="lack 79 of the tensors of Dinov2Model"):
        Dinov2(Dinov2Config(weights=WeightsConfig(repo=str(folder)))).with_loaded(lambda loaded: None)


def test_whole_ones_load_though_there_is_more_in_the_file(tmp_path: Path) -> None:
    folder = tiny_dinov2(tmp_path / "dinov2")
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"head.weight": torch.zeros(3)}, folder / "model.safetensors", metadata={"format": "pt"})
    assert Dinov2(Dinov2Config(weights=WeightsConfig(repo=str(folder)))).with_loaded(lambda loaded: True)
