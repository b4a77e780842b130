"""Pairs through the frozen networks: what comes out is what WanVACEPipeline feeds its transformer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ditto_models import video
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.encoding import EncodedItems, Encoder
from ditto_models.train.flow_matching import vace_context
from ditto_models.train.pairs import TrainingPair, UnusablePair
from ditto_models.train.random_base import save_random_base
from ditto_models.train.recipe import DataConfig
from ditto_models.train.snapshot import freeze
from tests.pair_folder import FRAMES, HEIGHT, WIDTH, write_pair

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
SAME = Bucket(frames=FRAMES, height=HEIGHT, width=WIDTH)
OTHER = Bucket(frames=5, height=48, width=48)
CONFIG = DataConfig(buckets=(SAME, OTHER))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> WeightsConfig:
    return WeightsConfig(repo=str(save_random_base(tmp_path_factory.mktemp("base") / "base", "tiny")))


@pytest.fixture(scope="module")
def encoder(base: WeightsConfig) -> Iterator[Encoder]:
    encoder = Encoder(base, "cpu", "float32")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TrainingPair:
    folder = tmp_path_factory.mktemp("data")
    write_pair(folder / "dataset/shard-00000", "000001", instruction="make it snow")
    return freeze(folder / "dataset", folder / "out", CONFIG).pairs[0]


def test_an_item_is_what_the_pipeline_makes_of_the_pair(
    base: WeightsConfig, encoder: Encoder, pair: TrainingPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers.pipelines.wan import pipeline_wan_vace
    from PIL import Image

    pipeline = load_pipeline("WanVACEPipeline", base, PlacementConfig(device="cpu", dtype="float32"))
    item = EncodedItems(encoder).get(pair, SAME)
    pictures = [Image.fromarray(frame) for frame in video.read(pair.source).frames]
    key = Image.open(pair.key_frame)
    where = torch.float32, torch.device("cpu")
    pixels, mask, references = pipeline.preprocess_conditions(pictures, None, [key], 1, HEIGHT, WIDTH, FRAMES, *where)
    theirs_BCTHW = pipeline.prepare_video_latents(pixels, mask, references, None, torch.device("cpu"))
    theirs_BCTHW = torch.cat([theirs_BCTHW, pipeline.prepare_masks(mask, references)], dim=1)
    assert torch.allclose(vace_context([item], with_key=True), theirs_BCTHW, atol=1e-4)
    # Its own cleaning wants ftfy, which is not installed.
    monkeypatch.setattr(pipeline_wan_vace, "prompt_clean", str.strip)
    embeds_BLD, _ = pipeline.encode_prompt(
        pair.instruction, do_classifier_free_guidance=False, max_sequence_length=512, device=torch.device("cpu")
    )
    assert torch.allclose(item.text_LD, embeds_BLD[0], atol=1e-5)
    assert item.text_LD.shape[0] == 512
    assert item.edited_CTHW.shape == item.source_CTHW.shape == item.empty_CTHW.shape == (16, 3, 6, 10)
    assert not torch.allclose(item.edited_CTHW, item.source_CTHW, atol=0.1)


def test_all_of_a_pair_is_cut_and_cropped_alike(encoder: Encoder, pair: TrainingPair, tmp_path: Path) -> None:
    """The same clip as source and edited video, its first frame as the key frame."""
    frames = video.read(pair.source).frames
    first = tmp_path / "first.png"
    cv2.imwrite(str(first), cv2.cvtColor(frames[0], cv2.COLOR_RGB2BGR))
    item = encoder.encode(replace(pair, edited=pair.source, key_frame=first, num_bytes=None), OTHER)
    assert item.source_CTHW.shape == (16, 2, 6, 6)
    assert torch.equal(item.source_CTHW, item.edited_CTHW)
    # The VAE is causal: its first latent frame is of the first frame alone.
    assert torch.allclose(item.key_C1HW, item.source_CTHW[:, :1], atol=1e-4)
    cropped = tmp_path / "cropped.mp4"
    video.write(cropped, np.ascontiguousarray(frames[:5, :, 16:64]), 25, crf=0)
    again = encoder.pixels(replace(pair, source=cropped), "source", OTHER)
    assert (again - item.source_CTHW).abs().mean() < 0.02 * item.source_CTHW.abs().mean()


def break_pair(folder: Path, pair: TrainingPair, how: str) -> TrainingPair:
    """A copy of the pair with one thing wrong."""
    files = {what: folder / path.name.replace("000001", what) for what, path in pair.files.items()}
    for what, path in pair.files.items():
        files[what].write_bytes(path.read_bytes())
    broken = replace(pair.with_files(files), num_bytes=None)
    frames = video.read(pair.edited).frames
    if how == "missing":
        files["edited"].unlink()
    elif how == "no video":
        files["source"].write_bytes(b"no video at all")
    elif how == "cut short":
        content = files["edited"].read_bytes()
        files["edited"].write_bytes(content[: len(content) * 2 // 3])
    elif how == "empty":
        files["edited"].write_bytes(b"")
    elif how == "other size":
        video.write(files["edited"], np.ascontiguousarray(frames[:, :32]), 25)
    elif how == "other length":
        video.write(files["edited"], frames[:7], 25)
    elif how == "key frame of another size":
        cv2.imwrite(str(files["key_frame"]), frames[0][:32])
    elif how == "no picture":
        files["key_frame"].write_bytes(b"no picture")
    elif how == "other bytes":
        broken = replace(broken, num_bytes=(1, 2, 3))
    return broken


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("missing", "edited .* is missing"),
        ("no video", "cannot read .*source.mp4' as a video"),
        ("cut short", "edited.mp4"),
        ("empty", "cannot read .*edited.mp4' as a video"),
        ("other size", "edited is 80x32, and the dataset says 80x48"),
        ("other length", "edited has 7 frames, and the dataset says 80x48 with 9"),
        ("key frame of another size", "key_frame is 80x32"),
        ("no picture", "cannot be read as an image"),
        ("other bytes", "bytes, and had 1 when frozen"),
    ],
)
def test_an_unfit_pair_is_named_with_what_is_wrong(
    encoder: Encoder, pair: TrainingPair, tmp_path: Path, how: str, problem: str
) -> None:
    with pytest.raises(UnusablePair, match=f"pair '000001': .*{problem}"):
        encoder.encode(break_pair(tmp_path, pair, how), SAME)


def test_networks_are_read_when_asked_and_again_after_they_were_freed(
    base: WeightsConfig, pair: TrainingPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[str, ...]] = []

    def watched(*arguments: Any, **parts: Any) -> Any:
        loaded.append(tuple(sorted(name for name, part in parts.items() if part is None)))
        return load_pipeline(*arguments, **parts)

    monkeypatch.setattr("ditto_models.train.encoding.load_pipeline", watched)
    encoder = Encoder(base, "cpu", "bfloat16")
    first = encoder.pixels(pair, "key_frame", OTHER)
    assert loaded == [("text_encoder", "tokenizer", "transformer", "transformer_2")]
    assert first.dtype == encoder.text("x").dtype == torch.bfloat16
    assert encoder._vae.dtype == torch.float32
    assert loaded[1:] == [("transformer", "transformer_2", "vae")]
    encoder.close()
    assert torch.equal(encoder.pixels(pair, "key_frame", OTHER), first)
    assert len(loaded) == 3


def test_a_folders_identity_is_what_is_in_it(base: WeightsConfig, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(base.repo, tmp_path / "elsewhere"))
    encoders = [Encoder(WeightsConfig(repo=repo), "cpu", "float32") for repo in (base.repo, str(copied))]
    assert encoders[0].identity("vae") == encoders[1].identity("vae") != encoders[0].identity("text_encoder")
    weights = copied / "vae/diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = Encoder(WeightsConfig(repo=str(copied)), "cpu", "float32")
    assert changed.identity("vae") != encoders[0].identity("vae")
    assert changed.identity("text_encoder") == encoders[0].identity("text_encoder")
    assert Encoder(base, "cpu", "bfloat16").identity("vae") != encoders[0].identity("vae")


def test_the_identity_of_a_hubs_weights_is_their_commit(base: WeightsConfig, tmp_path: Path) -> None:
    folder = tmp_path / "models--some--wan-vace" / "snapshots" / ("0a" * 20)
    shutil.copytree(base.repo, folder)
    encoder = Encoder(WeightsConfig(repo=str(folder)), "cpu", "float32")
    assert encoder.identity("vae") == f"vae some/wan-vace@{'0a' * 20} float32"
