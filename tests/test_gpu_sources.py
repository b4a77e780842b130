"""Sources looked at by networks: copies known by their features, motion measured by flow, all beside the decoder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from agent.profile import Profile
from agent.second_look import build_second_look
from agent.source_models import build_decoder
from agent.sources import Sources
from agent.survey import STEPS, survey
from ditto_models import video
from ditto_models.base import Frames
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.gpu import raft
from ditto_models.gpu.dinov2 import Dinov2, Dinov2Config
from ditto_models.gpu.feature_index import FeatureIndex, packed, unpacked
from ditto_models.gpu.raft import Raft, RaftConfig, convert
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from ditto_models.metrics.path_length import path_length
from memory.ledger import Ledger
from tests.fake_run import fake_profile
from tests.scenes import FPS, scene
from tests.tiny_guides import tiny_dinov2, tiny_raft

CLIPS = ("clips.frames=10", "clips.min_height=32")


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Dinov2:
    folder = tiny_dinov2(tmp_path_factory.mktemp("tiny") / "dinov2")
    return Dinov2(Dinov2Config(weights=WeightsConfig(repo=str(folder)), batch=4))


@pytest.fixture(scope="module")
def raft_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raft")
    assert convert(tiny_raft(folder / "raft_small.pth"), folder / "raft_small.safetensors") == "small"
    (folder / "raft_small.pth").unlink()
    return folder / "raft_small.safetensors"


def raft_of(file: Path) -> Raft:
    return Raft(RaftConfig(weights=WeightsConfig(repo=str(file.parent), file=file.name), size="small", updates=1))


def test_a_look_far_from_another_is_told_from_a_copy_after_a_byte_a_dimension() -> None:
    features = np.random.default_rng(0).normal(0, 1, (200, 768)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    for one in features[:20]:
        kept = unpacked(packed(one[None]))
        assert abs(float(kept @ features[5]) - float(one @ features[5])) < 1e-3
    index = FeatureIndex(0.1)
    assert index.nearest(packed(features[:1]), besides="a") is None
    for number, one in enumerate(features):
        index.add(f"file {number // 2}", packed(one[None]))
    index.add("a hash", (1, 2, 3))
    slightly_other = features[7] + 0.02 * features[60]
    name, distance = index.nearest(packed(slightly_other[None]), besides="file 40") or ("", 1.0)
    assert name == "file 3"
    assert distance < 0.002
    other = index.nearest(packed(slightly_other[None]), besides="file 3")
    assert other is not None
    assert other[1] > index.limit


@pytest.mark.slow
def test_pictures_that_are_the_same_have_the_same_features_in_any_batch(dinov2: Dinov2) -> None:
    frames = scene(6, 0, 224, 224, pixels_a_frame=9)
    frames[5] = frames[1]
    features = dinov2.embed_pictures(frames)
    assert features.shape == (6, 32)
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert np.allclose(features[5], features[1], atol=1e-5)
    assert np.allclose(dinov2.embed_pictures(frames[1:2]), features[1:2], atol=1e-5)
    assert 1 - float(features[1] @ features[2]) > 1e-4
    assert dinov2.with_loaded(dinov2.ease) == "looks at 2 at once from now on"
    assert np.allclose(dinov2.embed_pictures(frames), features, atol=1e-5)
    assert dinov2.embed_pictures(frames[:0]).shape == (0, 32)


class Ingest:
    """A folder taken in by one profile after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clips"
        self.folder.mkdir()
        self.ledger = Ledger(folder / "ledger.sqlite")

    def take_all(self, profile: Profile) -> dict[str, str]:
        """Every file's fate."""
        threads = InProcessExecutor(1)
        sources = Sources(self.ledger, threads, build_second_look(profile, threads), profile, 0, lambda line: None)
        sources.find(self.folder, besides=self.folder.parent / "run")

        async def until_done() -> None:
            while await sources.take_in() is not None:
                pass

        asyncio.run(until_done())
        threads.close()
        return {Path(one.uri).name: one.reason or one.outcome for one in self.ledger.sources.fates()}


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    made = Ingest(tmp_path)
    big = scene(20, 0, 96, 128)
    video.write(made.folder / "a.mp4", big, FPS)
    video.write(made.folder / "b.mp4", big[:, ::2, ::2], FPS, crf=30)
    video.write(made.folder / "c.mp4", scene(20, 1, 96, 128), FPS)
    yield made
    made.ledger.close()


def alike(dinov2: Dinov2, max_distance: float) -> Profile:
    kind = (
        f"fingerprint={{kind: dinov2, weights: {{repo: {dinov2.config.weights.repo}}}, max_distance: {max_distance}}}"
    )
    return fake_profile(*CLIPS, "clips.checks=[near_duplicate]", kind)


@pytest.mark.slow
def test_a_recoded_and_scaled_copy_is_a_near_duplicate_by_its_features(dinov2: Dinov2, ingest: Ingest) -> None:
    by_hash = ingest.take_all(fake_profile(*CLIPS, "clips.checks=[near_duplicate]"))
    found = ingest.take_all(alike(dinov2, 0.003))
    assert found == ingest.take_all(alike(dinov2, 0.003)), "looked at again, though nothing changed"
    assert {name for name, fate in by_hash.items() if fate == "pending"} == {"c.mp4"} | {
        name for name in ("a.mp4", "b.mp4") if found[name] == "pending"
    }
    copies = [found.pop(name) for name in ("a.mp4", "b.mp4")]
    assert found == {"c.mp4": "pending"}
    assert "pending" in copies
    assert any(fate.startswith("near-duplicate: cosine distance 0.00") for fate in copies)
    assert all(len(seen) == 4 for _, seen in ingest.ledger.sources.looks()), "32 dimensions, a byte each"
    everything = ingest.take_all(alike(dinov2, 2.0))
    assert sum(fate.startswith("near-duplicate: cosine distance") for fate in everything.values()) == 2


@pytest.mark.slow
def test_motion_by_flow_drops_windows_for_the_reason_they_had_without_it(raft_file: Path, ingest: Ingest) -> None:
    kind = (
        f"motion={{kind: raft, size: small, updates: 1, weights: {{repo: {raft_file.parent}, file: {raft_file.name}}}}}"
    )
    rules = ("clips.frames=20", "clips.min_height=32", "clips.checks=[low_motion]", kind)
    for name in ("b.mp4", "c.mp4"):
        (ingest.folder / name).unlink()
    assert ingest.take_all(fake_profile(*rules, "clips.min_motion=0"))["a.mp4"] == "pending"
    fate = ingest.take_all(fake_profile(*rules, "clips.min_motion=1e6"))["a.mp4"]
    assert fate.startswith("low motion: ")
    assert "expected 1e+06" in fate


@pytest.mark.slow
def test_no_network_is_loaded_where_files_are_decoded(ingest: Ingest, tmp_path: Path) -> None:
    nowhere = {"repo": str(tmp_path), "file": "none.safetensors"}
    kinds = ("fingerprint={kind: dinov2}", f"motion={{kind: raft, weights: {nowhere}}}", "decoder.kind=process")
    profile = fake_profile(*CLIPS, "clips.checks=[near_duplicate, low_motion]", *kinds)
    decoder = build_decoder(profile.decoder, 1)

    async def look() -> None:
        found = (await decoder.run(survey, str(ingest.folder / "a.mp4"), profile.model_dump_json())).value
        assert [window.dropped for window in found.windows] == ["", ""]
        for window in found.windows:
            assert window.seen == ()
            assert window.squares is not None
            assert window.squares.shape == (3, 224, 224, 3)
            assert window.steps is not None
            assert window.steps.shape == (STEPS, 240, 320, 3)
        assert not (await decoder.run(eval, "'torch' in __import__('sys').modules")).value

    asyncio.run(look())
    decoder.close()


def moving(speed: float, share: float = 1.0, steps: int = 6) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """A flow of so many pixels to the right a step, in this share of the rows."""
    flow = np.zeros((steps, 128, 320, 2), np.float32)
    flow[:, : round(128 * share), :, 0] = speed
    return flow


def test_the_way_of_points_is_in_pixels_a_frame_at_640_across() -> None:
    assert path_length(moving(4), frames_between=8) == pytest.approx(4 / 8 * 640 / 320)
    assert path_length(moving(40), frames_between=8) == pytest.approx(10), "what leaves the picture still counts"
    assert path_length(moving(4, share=0.2), frames_between=8) == pytest.approx(1)
    assert path_length(moving(4, share=0.05), frames_between=8) == 0
    there_and_back = moving(4)
    there_and_back[1::2] *= -1
    assert path_length(there_and_back, frames_between=8) == pytest.approx(1)


@pytest.mark.slow
def test_flow_has_the_shape_of_its_pairs_and_is_the_same_in_any_batch(raft_file: Path) -> None:
    network = raft_of(raft_file)
    frames: Frames = scene(4, 0, 128, 136)
    flow = network.flow(frames)
    assert flow.shape == (3, 128, 136, 2)
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()
    assert np.allclose(network.flow(frames[1:3]), flow[1:2], atol=1e-3)
    with pytest.raises(ValueError, match="expected multiples of 8"):
        network.flow(frames[:, :, :130])
    with pytest.raises(ValueError, match="of at least 128"):
        network.flow(frames[:, :120])


@pytest.mark.slow
def test_pickles_are_turned_into_safetensors_and_never_run(
    raft_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsError, match="does not fit RAFT large"):
        Raft(RaftConfig(weights=raft_of(raft_file).config.weights)).load()
    with pytest.raises(WeightsError, match="name no file"):
        Raft(RaftConfig(weights=WeightsConfig(repo=str(tmp_path)))).load()
    torch.save({"anything": Path("x")}, tmp_path / "code.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    (tmp_path / "words.pth").write_text("words")
    said = {
        "code": "cannot be read as weights",
        "other": "does not fit RAFT",
        "list": "holds list",
        "words": "cannot be",
    }
    for name, reason in said.items():
        monkeypatch.setattr("sys.argv", ["raft", str(tmp_path / f"{name}.pth"), str(tmp_path / "out.safetensors")])
        assert raft.main() == 1
        told = capsys.readouterr().err
        assert reason in told
        assert told.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()
