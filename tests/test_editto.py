"""Editto on tiny weights, loaded by the very code that loads real ones: what was trained counts, words count, and the
key frame counts where it is given."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip
from ditto_models.gpu.editto import Editto, EdittoConfig
from ditto_models.gpu.editto_card import BASE, CARD, WEIGHTS
from ditto_models.gpu.geometry import UnfitVideo
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_editto import tiny_editto
from tests.tiny_wan import tiny_vace_of_two, watched

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {
    "placement": PlacementConfig(device="cpu", dtype="float32"),
    "sampling": {"kind": "full", "num_steps": 2},
    "guidance_scale": 1.0,
}
SOURCE = np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), np.uint8)
KEY: Frame = SOURCE[4, ::-1].copy()
TEXT = "make the car red"


@pytest.fixture(scope="module")
def folder(quick_torch: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_editto(tmp_path_factory.mktemp("editto") / "checkpoint")


@pytest.fixture(scope="module")
def editto(folder: Path) -> Editto:
    return Editto(EdittoConfig.of(folder, **QUICK))


@pytest.fixture(scope="module")
def made(editto: Editto) -> Frames:
    return editto.edit(SOURCE, TEXT, seed=7)


def request(text: str = TEXT) -> EditRequest:
    return EditRequest(
        text=text,
        prompt="a red car",
        edit_type="recolour",
        scope="local",
        parameters={},
        strength=1.0,
        seed=7,
    )


def generated(network: Editto, key: Frame, route: Literal["structure", "mask"], text: str = TEXT) -> Frames:
    masks = np.zeros(SOURCE.shape[:3], np.float32)
    clip = KeyFramedClip(source=SOURCE, masks=masks, key_index=4, key_edited=key)
    return network.generate(clip, request(text), route)


def test_it_follows_source_words_seed_and_key_frame(editto: Editto, made: Frames) -> None:
    assert made.shape == SOURCE.shape
    assert made.dtype == np.uint8
    steps: list[int] = []
    assert np.array_equal(editto.edit(SOURCE, TEXT, seed=7, on_step=steps.append), made), (
        "the same seed, the same video"
    )
    assert steps == [1, 2]
    others = {
        "source": editto.edit(SOURCE[::-1].copy(), TEXT, seed=7),
        "words": editto.edit(SOURCE, "make it snow", seed=7),
        "seed": editto.edit(SOURCE, TEXT, seed=8),
        "key frame": editto.edit(SOURCE, TEXT, seed=7, key_frame=KEY),
        "strength": editto.edit(SOURCE, TEXT, seed=7, strength=0.3),
    }
    assert not [name for name, other in others.items() if np.array_equal(other, made)]


def test_the_control_is_the_source_all_of_it_made_anew(editto: Editto, folder: Path, made: Frames) -> None:
    pipeline = editto.with_loaded(lambda pipeline: pipeline)
    plain = load_pipeline("WanVACEPipeline", WeightsConfig(repo=str(folder / BASE)), QUICK["placement"])
    plain.transformer.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    from PIL import Image

    words = editto._prompts.embeds(pipeline.tokenizer, pipeline.text_encoder, TEXT, "cpu")
    theirs = plain(
        video=[Image.fromarray(frame) for frame in SOURCE],
        prompt_embeds=words,
        height=32,
        width=48,
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).frames[0]
    assert np.array_equal(np.rint(theirs * 255).astype(np.uint8), made)


def test_what_was_trained_counts_and_all_else_is_exactly_the_base(
    folder: Path, editto: Editto, made: Frames, tmp_path: Path
) -> None:
    trained = load_file(folder / WEIGHTS)
    base = load_file(folder / BASE / "transformer" / "diffusion_pytorch_model.safetensors")
    state = editto.with_loaded(lambda pipeline: pipeline).transformer.state_dict()
    assert state.keys() == base.keys()
    for name, each in base.items():
        assert torch.equal(state[name], trained.get(name, each))
    one_by_one = {"weights": {"repo": str(folder / BASE)}, "trained": {"repo": str(folder), "file": WEIGHTS}}
    network = Editto(EdittoConfig.model_validate({**one_by_one, **QUICK}))
    assert np.array_equal(network.edit(SOURCE, TEXT, seed=7), made), "the same as by the card"
    last = next(name for name in reversed(trained) if name.endswith("to_out.0.weight"))
    save_file(trained | {last: trained[last] * 2}, tmp_path / "other.safetensors")
    file = {"repo": str(tmp_path), "file": "other.safetensors"}
    other = Editto(EdittoConfig.of(folder, trained=file, **QUICK))
    assert not np.array_equal(other.edit(SOURCE, TEXT, seed=7), made)
    save_file({name: base[name] for name in trained}, tmp_path / "unchanged.safetensors")
    file = {"repo": str(tmp_path), "file": "unchanged.safetensors"}
    with pytest.raises(WeightsError, match="as they are in the base already"):
        Editto(EdittoConfig.of(folder, trained=file, **QUICK)).edit(SOURCE, TEXT, seed=7)


def test_as_a_generator_it_reads_the_instruction_and_sees_the_key_frame_where_it_is_given(
    folder: Path, editto: Editto, made: Frames
) -> None:
    given = generated(editto, KEY, "structure")
    assert np.array_equal(given, editto.edit(SOURCE, TEXT, seed=7, key_frame=KEY))
    assert np.array_equal(given, generated(editto, KEY, "mask")), "both routes are one"
    assert not np.array_equal(given, generated(editto, SOURCE[0], "structure"))
    never = Editto(EdittoConfig.of(folder, key_frame="never", **QUICK))
    assert np.array_equal(generated(never, KEY, "structure"), made)


def test_guidance_and_few_steps_are_taken(folder: Path, made: Frames) -> None:
    settings = {**QUICK, "guidance_scale": 4.0, "sampling": {"kind": "few", "num_steps": 3}, "negative_prompt": "dark"}
    network = Editto(EdittoConfig.of(folder, **settings))
    pipeline = network.with_loaded(lambda pipeline: pipeline)
    with watched(pipeline.transformer) as timesteps:
        assert not np.array_equal(network.edit(SOURCE, TEXT, seed=7), made)
    assert len(timesteps) == 6
    assert timesteps[0] == 1000
    assert timesteps[-1] == pytest.approx(1000 * 5 / 7, abs=0.01)


def test_it_travels_as_its_config(editto: Editto, folder: Path, made: Frames) -> None:
    there = pickle.loads(pickle.dumps(editto))
    assert there.config == editto.config
    assert there.name == f"checkpoint/{WEIGHTS} on {BASE}"
    assert np.array_equal(there.edit(SOURCE, TEXT, seed=7), made)


def test_what_is_no_editto_is_refused_in_one_line(folder: Path, tmp_path: Path, editto: Editto) -> None:
    for model, said in (("", "neither model nor both"), (str(tmp_path), "has no editto.json")):
        with pytest.raises(ValidationError, match=said):
            EdittoConfig.of(model)
    with pytest.raises(ValidationError, match="given"):
        EdittoConfig.of(folder, key_frame="sometimes")
    (tmp_path / CARD).write_text(json.dumps({"base": {"repo": "x"}}))
    with pytest.raises(ValidationError, match="is no card of an Editto"):
        EdittoConfig.of(tmp_path)
    save_file({"blocks.99.attn1.to_q.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    other = {"repo": str(tmp_path), "file": "other.safetensors"}
    with pytest.raises(WeightsError, match=r"blocks\.99"):
        Editto(EdittoConfig.of(folder, trained=other, **QUICK)).edit(SOURCE, TEXT, 7)
    two = {"repo": str(tiny_vace_of_two(tmp_path / "two"))}
    with pytest.raises(WeightsError, match="two experts"):
        Editto(EdittoConfig.of(folder, weights=two, **QUICK)).edit(SOURCE, TEXT, 7)
    with pytest.raises(UnfitVideo, match="5 or 9"):
        editto.edit(SOURCE[:8], TEXT, 7)
    with pytest.raises(ValueError, match="key_frame"):
        editto.edit(SOURCE, TEXT, 7, key_frame=KEY[:16])
