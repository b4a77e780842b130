"""Guides by networks: depth on one scale for a clip, masks that follow words; tiny weights, the very code that loads
real ones."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ditto_models.base import Frames
from ditto_models.gpu.depth_anything import DepthAnything, DepthAnythingConfig
from ditto_models.gpu.sam3_kernels import PlainKernels
from ditto_models.gpu.sam3_masker import Sam3Masker, Sam3MaskerConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_guides import tiny_depth, tiny_sam3

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]


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
    assert steps == ["looks at 2 at once from now on", "looks at 1 at once from now on", ""]
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


@pytest.fixture(scope="session")
def sam3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sam3(tmp_path_factory.mktemp("tiny") / "sam3")


def sam3(folder: Path, **settings: object) -> Sam3Masker:
    weights = WeightsConfig(repo=str(folder))
    return Sam3Masker(
        Sam3MaskerConfig.model_validate({"weights": weights, "placement": {"dtype": "float32"}, **settings})
    )


@pytest.fixture(scope="module")
def short(clip: Frames) -> Frames:
    return clip[:4]


@pytest.fixture(scope="module")
def masker(sam3_folder: Path) -> Sam3Masker:
    return sam3(sam3_folder)


def test_masks_follow_the_words_and_are_the_same_again(sam3_folder: Path, short: Frames) -> None:
    masker = sam3(sam3_folder, objects="best")
    dogs, cats = masker.mask_target(short, "dog"), masker.mask_target(short, "two cats")
    assert dogs.shape == short.shape[:3]
    assert dogs.dtype == np.float32
    assert set(np.unique(dogs)) == {0, 1}
    assert (dogs != cats).any()
    assert np.array_equal(masker.mask_target(short, " dog "), dogs)
    assert (masker.mask_target(255 - short, "dog") != dogs).any()
    half = sam3(sam3_folder, placement={"dtype": "bfloat16"}).mask_target(short, "dog")
    assert half.shape == dogs.shape


def test_all_objects_are_one_mask_or_the_best_alone(masker: Sam3Masker, sam3_folder: Path, short: Frames) -> None:
    plain = {"fill_frames": 0, "window": 1, "close_share": 0}
    together = sam3(sam3_folder, shape=plain).mask_target(short, "dog")
    best = sam3(sam3_folder, shape=plain, objects="best").mask_target(short, "dog")
    assert best.any()
    assert best.sum() < together.sum()
    assert (best <= together).all()


def test_what_is_not_there_has_no_mask(sam3_folder: Path, tmp_path: Path, short: Frames) -> None:
    strict = shutil.copytree(sam3_folder, tmp_path / "strict")
    config = json.loads((strict / "config.json").read_text()) | {"score_threshold_detection": 0.9}
    (strict / "config.json").write_text(json.dumps(config))
    blind = sam3(strict)
    for masks in (blind.mask_target(short, "dog"), blind.mask(short)):
        assert masks.shape == short.shape[:3]
        assert not masks.any()


def test_the_subject_is_the_first_of_its_words_that_is_there_in_credible_size(
    sam3_folder: Path, masker: Sam3Masker, short: Frames
) -> None:
    share = float(np.median(masker.mask_target(short, "dog").mean(axis=(1, 2))))
    found = sam3(sam3_folder, subjects=("dog",), max_share=1.0).mask(short)
    assert np.array_equal(found, masker.mask_target(short, "dog"))
    for bounds in ({"max_share": share - 0.01}, {"min_share": share + 0.01, "max_share": 1.0}):
        assert not sam3(sam3_folder, subjects=("dog",), **bounds).mask(short).any()


def test_words_that_name_nothing_and_clips_without_frames_are_refused(masker: Sam3Masker, short: Frames) -> None:
    with pytest.raises(ValueError, match="expected a few that name something"):
        masker.mask_target(short, "  ")
    with pytest.raises(ValueError, match="are 34 tokens"):
        masker.mask_target(short, "a car that is described at great length")
    with pytest.raises(ValueError, match="at least one"):
        masker.mask(np.zeros((0, 64, 64, 3), np.uint8))


def test_no_code_is_fetched_and_what_stands_in_its_place_does_the_same(masker: Sam3Masker, short: Frames) -> None:
    import transformers.models.sam3_video.modeling_sam3_video as modeling

    masker.mask_target(short[:1], "dog")
    assert modeling.cv_utils_kernel is PlainKernels
    overlaps = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    assert PlainKernels.generic_nms(overlaps, torch.tensor([0.5, 0.9, 0.7]), 0.5).tolist() == [1, 2]
    masks = torch.zeros((1, 1, 20, 20), dtype=torch.uint8)
    masks[0, 0, 2:4, 2:4] = masks[0, 0, 8:14, 8:14] = 1
    masks[0, 0, 10, 10] = 0
    _, sizes = PlainKernels.cc_2d(masks)
    assert [int(sizes[0, 0, place, place]) for place in (3, 9, 0)] == [4, 35, 0]
    scores = masks.float() * 2 - 1
    mended = modeling.fill_holes_in_mask_scores(scores, max_area=5) > 0
    assert not mended[0, 0, 2:4, 2:4].any(), "a sprinkle stays"
    assert mended[0, 0, 8:14, 8:14].all(), "a pinhole stays"
