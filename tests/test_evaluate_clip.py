"""The CLIP of an evaluation: its vectors, what it makes of a dataset, and a profile that asks for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from agent.context import build_clip
from agent.evaluate.clip import with_clip
from agent.evaluate.figures import Scored
from agent.evaluate.pairs import EvaluationPair
from agent.judge.judged import Judged
from agent.preflight.__main__ import look
from agent.profile import Component, load_profile
from ditto_models import video
from ditto_models.gpu.clip import Clip, ClipConfig
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.metrics.clip_scores import clip_f, clip_t
from tests.scenes import FPS, scene
from tests.tiny_guides import tiny_clip

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tiny_clip(tmp_path_factory.mktemp("tiny") / "clip")
    return Clip(ClipConfig(weights=WeightsConfig(repo=str(folder)), batch=4))


def test_pictures_and_words_are_unit_vectors_of_one_space(clip: Clip) -> None:
    frames = scene(6, 0, 48, 64, pixels_a_frame=5)
    frames[5] = frames[1]
    pictures = clip.embed_pictures(frames)
    words = clip.embed_words("Make it night")
    assert (pictures.shape, words.shape) == ((6, 16), (16,))
    assert np.allclose(np.linalg.norm(np.vstack([pictures, words]), axis=1), 1, atol=1e-5)
    assert np.allclose(pictures[5], pictures[1], atol=1e-5), "whatever batch it is in"
    assert not np.allclose(pictures[2], pictures[1], atol=1e-3)
    assert not np.allclose(clip.embed_words("Make it day"), words, atol=1e-3)
    long = "a very long instruction " * 20
    assert np.allclose(clip.embed_words(long), clip.embed_words(long + "and more"), atol=1e-6), "beyond its tokens"


def test_it_is_the_models_own_agreement_of_pictures_and_words(clip: Clip) -> None:
    """CLIP's own forward gives the same cosines, times its temperature."""
    import torch

    frames = scene(3, 1, 40, 40)
    found = [clip_t(clip.embed_pictures(frames[place : place + 1]), clip.embed_words("snow")) for place in range(3)]

    def agreement(loaded: object) -> list[float]:
        pixels = loaded.processor(images=list(frames), return_tensors="pt")  # type: ignore[attr-defined]
        words = loaded.tokenizer(["snow"], return_tensors="pt")  # type: ignore[attr-defined]
        with torch.inference_mode():
            output = loaded.model(**pixels, **words)  # type: ignore[attr-defined]
            logits = output.logits_per_image[:, 0] / loaded.model.logit_scale.exp()  # type: ignore[attr-defined]
        return [100 * float(logit) for logit in logits]

    assert found == pytest.approx(clip.with_loaded(agreement), abs=1e-3)


def scored() -> Scored:
    judged = Judged(id="a", source="", edited="", instruction="", decision="accepted", reasons=[])
    return Scored(judged=judged, edit_type="style", group="a")


def test_a_pair_is_held_against_what_it_shows_or_else_what_was_asked(clip: Clip, tmp_path: Path) -> None:
    path, size = tmp_path / "edited.mp4", load_profile("embedded").clips
    video.write(path, scene(5, 2, 48, 64), FPS)
    frames = clip.embed_pictures(video.read(path).frames)
    asked = EvaluationPair(id="a", instruction="Make it snow")
    told = EvaluationPair(id="a", instruction="Make it snow", target="a street in snow")
    for pair, text, said in ((asked, asked.instruction, "instruction"), (told, told.target, "target")):
        found = with_clip(scored(), pair, path, clip, size)
        assert found.clip_t == pytest.approx(clip_t(frames, clip.embed_words(text)))
        assert found.clip_f == pytest.approx(clip_f(frames))
        assert found.clip_text == said
    gone = with_clip(scored(), asked, tmp_path / "gone.mp4", clip, size)
    assert (gone.judged.decision, gone.clip_t) == ("unreadable", None)
    assert "gone.mp4" in gone.judged.reasons[0]


def test_a_profile_names_it_and_preflight_looks_at_its_weights(clip: Clip) -> None:
    assert build_clip(Component(kind="none")) is None
    repo = clip.config.weights.repo
    profile = load_profile("embedded", ("clip_scores.kind=clip", f"clip_scores.weights={{repo: {repo}}}"))
    found = build_clip(profile.clip_scores)
    assert isinstance(found, Clip)
    assert profile.hash == load_profile("embedded").hash, "no sample depends on what evaluates"
    of_it = [finding for finding in look(profile) if finding.of == "clip_scores"]
    assert [finding.status for finding in of_it if finding.check == "weights"] == ["ok"]
    assert json.dumps(profile.model_dump(mode="json"))
