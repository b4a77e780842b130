"""The loss of the trainer, on a real tiny Wan-VACE: conditioned as diffusers' pipeline conditions, falling as it
learns, and of each sample by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.flow_matching import Draw, NoiseConfig, draw, losses, vace_context
from ditto_models.train.items import Item
from ditto_models.train.random_base import TEXT_DIMENSIONS, save_random_base
from ditto_models.train.trainable import Branch, Linear, Lora, made_trainable
from tests.tiny_training import noise_item

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
TRAINS = [Linear(), Branch(), Lora(rank=4, alpha=4)]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_random_base(tmp_path_factory.mktemp("base") / "base", "tiny")
    return load_pipeline(
        "WanVACEPipeline", WeightsConfig(repo=str(folder)), PlacementConfig(device="cpu", dtype="float32")
    )


@pytest.fixture
def transformer(pipeline: Any, tmp_path: Path) -> Any:
    pipeline.transformer.save_pretrained(tmp_path)
    return type(pipeline.transformer).from_pretrained(tmp_path).train()


def item(number: int) -> Item:
    return noise_item(str(number), Bucket(frames=9, height=32, width=48))


def draws(items: list[Item], step: int = 0) -> list[Draw]:
    return [draw(NoiseConfig(), 0, step, place, each.edited_CTHW) for place, each in enumerate(items)]


def encoded(pipeline: Any, video: torch.Tensor) -> torch.Tensor:
    config = pipeline.vae.config
    mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1)
    deviation = torch.tensor(config.latents_std).view(1, -1, 1, 1, 1)
    with torch.no_grad():
        latents: torch.Tensor = (pipeline.vae.encode(video).latent_dist.mode() - mean) / deviation
    return latents[0]


def test_the_context_is_what_the_pipeline_makes_of_source_and_key_frame(pipeline: Any) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), np.uint8)
    pictures = [Image.fromarray(frame) for frame in pixels]
    where = torch.float32, torch.device("cpu")
    video, mask, references = pipeline.preprocess_conditions(pictures, None, [pictures[4]], 1, 32, 48, 9, *where)
    theirs_BCTHW = pipeline.prepare_video_latents(video, mask, references, None, torch.device("cpu"))
    theirs_BCTHW = torch.cat([theirs_BCTHW, pipeline.prepare_masks(mask, references)], dim=1)
    pair = Item(
        source_CTHW=encoded(pipeline, video),
        edited_CTHW=encoded(pipeline, video),
        key_C1HW=encoded(pipeline, references[0][0][None, :, None]),
        empty_CTHW=encoded(pipeline, torch.zeros_like(video)),
        text_LD=torch.zeros(1, TEXT_DIMENSIONS),
    )
    assert torch.allclose(vace_context([pair], with_key=True), theirs_BCTHW, atol=1e-4)
    assert torch.allclose(vace_context([pair], with_key=False), theirs_BCTHW[:, :, 1:], atol=1e-4)


@pytest.mark.parametrize("trains", TRAINS, ids=lambda trains: trains.kind)
def test_the_loss_of_one_batch_falls_and_what_is_frozen_stays_as_it_was(transformer: Any, trains: Any) -> None:
    parameters = made_trainable(transformer, trains)
    frozen = {name: each.detach().clone() for name, each in transformer.named_parameters() if not each.requires_grad}
    buffers = {name: each.clone() for name, each in transformer.named_buffers()}
    assert all("vace" in name for name in parameters)
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-2)
    items = [item(1), item(2)]
    history = []
    for _ in range(12):
        loss = losses(transformer, items, draws(items), [True, False]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        history.append(float(loss.detach()))
    assert history[-1] < 0.9 * history[0], history
    for name, each in transformer.named_parameters():
        assert name in parameters or torch.equal(each, frozen[name]), name
    for name, each in transformer.named_buffers():
        assert torch.equal(each, buffers[name]), name


def test_what_trains_is_what_its_kind_says(transformer: Any) -> None:
    linear = set(made_trainable(transformer, Linear()))
    branch = set(made_trainable(transformer, Branch()))
    assert linear < branch == {name for name, _ in transformer.named_parameters() if name.startswith("vace_")}
    assert not any("norm" in name or "scale_shift_table" in name for name in linear)
    lora = set(made_trainable(transformer, Lora(rank=4, alpha=4)))
    weights = {name.removesuffix(".weight") for name in linear if name.endswith(".weight")}
    assert {name.split(".lora_")[0] for name in lora} == weights


def test_each_sample_has_its_own_loss_whatever_passes_beside_it(transformer: Any) -> None:
    items = [item(1), item(2), item(3)]
    given = [True, False, True]
    together = losses(transformer, items, draws(items), given)
    for place in range(3):
        alone = losses(transformer, [items[place]], [draws(items)[place]], [given[place]])
        assert torch.allclose(alone[0], together[place], atol=1e-5)
    others = losses(transformer, items, draws(items), [True, True, True])
    assert torch.allclose(others[[0, 2]], together[[0, 2]], atol=1e-5)
    assert not torch.allclose(others[1], together[1], atol=1e-5)


def test_the_key_frame_counts_only_where_it_is_given(transformer: Any) -> None:
    one, other = item(1), item(2)
    swapped = Item(**{**vars(one), "key_C1HW": other.key_C1HW})
    fixed = draws([one])
    for with_key in (True, False):
        loss, another = (losses(transformer, [each], fixed, [with_key]) for each in (one, swapped))
        assert torch.equal(loss, another) is not with_key


def test_a_draw_follows_from_seed_step_and_place_alone() -> None:
    like = torch.zeros(16, 3, 4, 6)
    first, same = (draw(NoiseConfig(), 0, 5, 1, like) for _ in range(2))
    assert first.sigma == same.sigma
    assert torch.equal(first.noise_CTHW, same.noise_CTHW)
    assert first.noise_CTHW.shape == (16, 4, 4, 6)
    for other in (draw(NoiseConfig(), 1, 5, 1, like), draw(NoiseConfig(), 0, 1, 5, like)):
        assert other.sigma != first.sigma
    levels = [draw(NoiseConfig(), 0, step, 0, like).sigma for step in range(300)]
    plain = [draw(NoiseConfig(shift=1), 0, step, 0, like).sigma for step in range(300)]
    assert 0 < min(levels) < max(levels) < 1
    assert np.mean(plain) == pytest.approx(0.5, abs=0.05)
    assert np.mean(levels) > 0.7
