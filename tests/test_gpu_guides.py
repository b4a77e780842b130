"""Guides by networks: depth on one scale for a clip, masks that follow words; tiny weights, the very code that loads
real ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from ditto_models.base import Frames
from ditto_models.gpu.depth_anything import DepthAnything, DepthAnythingConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_guides import tiny_depth

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def depth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_depth(tmp_path_factory.mktemp("tiny") / "depth")


def depth_anything(folder: Path, **settings: float) -> DepthAnything:
    weights = WeightsConfig(repo=str(folder))
    return DepthAnything(DepthAnythingConfig.model_validate({"weights": weights, "short_side": 64, **settings}))


@pytest.fixture(scope="module")
def clip() -> Frames:
    """Nine frames of noise, 64 x 96, brighter and brighter; the last repeats the third."""
    rng = np.random.default_rng(0)
    frames = np.stack([rng.integers(0, 60 + 20 * place, (64, 96, 3), np.uint8) for place in range(9)])
    frames[8] = frames[2]
    return frames


def test_depth_is_on_one_scale_for_the_clip(depth_folder: Path, clip: Frames) -> None:
    near = depth_anything(depth_folder, batch=4).depth(clip)
    assert near.shape == clip.shape[:3]
    assert near.dtype == np.float32
    assert (near.min(), near.max()) == (0, 1)
    assert np.allclose(near[8], near[2], atol=1e-5)
    unclipped = {"farthest": 0.0, "nearest": 0.0}
    near = depth_anything(depth_folder, **unclipped).depth(clip)
    others = [place for place, frame in enumerate(near) if frame.max() < 0.98 or frame.min() > 0.02]
    assert others, "each frame is scaled by itself"
    # A frame that is a clip of its own is stretched, and shows the same otherwise.
    alone = depth_anything(depth_folder, **unclipped).depth(clip[others[:1]])[0]
    slope, offset = np.polyfit(near[others[0]].ravel(), alone.ravel(), 1)
    assert slope > 1.02
    assert np.allclose(slope * near[others[0]] + offset, alone, atol=1e-2)


def test_depth_is_the_same_again_and_in_batches_of_any_size(depth_folder: Path, clip: Frames) -> None:
    network = depth_anything(depth_folder, batch=9)
    near = network.depth(clip)
    assert np.array_equal(network.depth(clip), near)
    assert np.allclose(depth_anything(depth_folder, batch=2).depth(clip), near, atol=1e-5)
    assert np.allclose(pickle.loads(pickle.dumps(network)).depth(clip), near, atol=1e-6)


def test_memory_is_eased_by_fewer_frames_at_once(depth_folder: Path, clip: Frames) -> None:
    network = depth_anything(depth_folder, batch=3)
    near = network.depth(clip)
    steps = [network.with_loaded(network.ease) for _ in range(3)]
    assert steps == ["2 frames at once", "1 frames at once", ""]
    assert np.allclose(network.depth(clip), near, atol=1e-5)


def test_smoothing_mixes_neighbours_and_a_distance_is_turned_round(
    depth_folder: Path, tmp_path: Path, clip: Frames
) -> None:
    near = depth_anything(depth_folder).depth(clip)
    smooth = depth_anything(depth_folder, smoothing=0.5).depth(clip)
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.8 * np.abs(np.diff(near, axis=0)).mean()
    metric = depth_anything(tiny_depth(tmp_path / "metric", "metric")).depth(clip)
    assert np.isfinite(metric).all()
    assert metric.std() > 0


def test_depth_refuses_an_empty_clip_and_weights_that_are_not_there(depth_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        depth_anything(depth_folder).depth(np.zeros((0, 64, 64, 3), np.uint8))
    with pytest.raises(WeightsError, match="safetensors"):
        depth_anything(tmp_path).depth(np.zeros((1, 64, 64, 3), np.uint8))
