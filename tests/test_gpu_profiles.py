"""The profiles of diffusion models: they build with no torch, and lead editors that follow any words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.campaign import Limits, Outcome
from agent.leads import build_leads
from agent.profile import Profile
from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Mask, Masks, Route
from memory.dataset import read_metadata
from memory.sample import Sample
from tests.commands import ROOT
from tests.expert import CAPTION, expert
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.fakes import FakeSafety
from tests.led_run import events_of
from tests.scripted_answers import Answer, Asked
from tests.scripted_server import ScriptedServer
from tests.served import served_by
from tools.catalogue import Catalogue
from tools.critic.of_sample import SampleCritic
from tools.edit_types import open_edit_types

TYPES = open_edit_types()


class WordEditor:
    """Does something to all of the frame, or to the mask where the edit is local; adds a patch where it adds."""

    name = "word-editor"
    asked: list[EditRequest]

    def __init__(self) -> None:
        self.asked = []

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        self.asked.append(request)
        region = np.ones_like(mask) if request.scope == "global" else mask
        if request.edit_type == "add":
            region = np.zeros_like(mask)
            region[30:42, 10:24] = 1
        share = 0.5 * request.strength * region[..., None]
        tint = np.array([30, 160, 60 + request.seed % 64])
        return np.asarray(frame * (1 - share) + tint * share, np.uint8)


class WordGenerator:
    """Moves the key frame's tint to all frames; on the route mask inside the masks only."""

    name = "word-generator"
    asked: list[tuple[EditRequest, Route, Masks]]

    def __init__(self) -> None:
        self.asked = []

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        self.asked.append((request, route, clip.masks))
        change = clip.key_edited.astype(np.float32) - clip.key
        region = clip.masks[..., None] if route == "mask" else 1.0
        return np.asarray(np.clip(clip.source + change * region, 0, 255), np.uint8)


class Finder:
    """Finds whatever is named in the middle of the picture, but for what it is told to miss."""

    name = "finder"

    def __init__(self, missed: str = "") -> None:
        self.missed, self.asked = missed, list[str]()

    def mask_target(self, frames: Frames, words: str) -> Masks:
        self.asked.append(words)
        masks = np.zeros(frames.shape[:3], np.float32)
        if words != self.missed:
            masks[:, 10:36, 4:40] = 1
        return masks


def open_profile(server: ScriptedServer, *overrides: str) -> Profile:
    quick = ("networks={kind: threads}", "masker={kind: selfie}", "clips.size_multiple=2", "disk.min_free_gb=0")
    return fake_profile(*served_by(server), *quick, *overrides, name="gpu")


def open_run(
    tmp_path: Path,
    answer: Callable[[Asked], Answer] = expert(),  # noqa: B008
    target: int = 1,
    finder: Finder | None = None,
    most: int | None = None,
) -> tuple[Outcome, list[Sample], WordGenerator, list[EditRequest]]:
    """A run of profile gpu with fake networks, a scripted model, and the real measured critic."""
    editor, generator = WordEditor(), WordGenerator()
    with ScriptedServer(answer) as server:
        profile = open_profile(server)
        models = replace(
            fake_models(profile, leads=build_leads(profile), editor=editor),
            generator=generator,
            follows_words=True,
            target_masker=finder or Finder(),
            critic=lambda media, ledger: SampleCritic(media, ledger, Catalogue.load(), FakeSafety(), repainted=True),
        )
        limits = Limits(target=target, max_candidates=most, concurrency=1)
        clips = make_clips(tmp_path / "clips", count=4)
        outcome, decided = run_fake(tmp_path / "run", clips, target, profile=profile, models=models, limits=limits)
    return outcome, decided, generator, editor.asked


@pytest.mark.slow
def test_open_words_are_accepted_when_the_model_is_content_and_what_is_measured_passes(tmp_path: Path) -> None:
    outcome, decided, generator, edited = open_run(tmp_path, target=3, most=9)
    told = [(sample.instruction, sample.decision, sample.reasons, sample.verdict) for sample in decided]
    assert outcome == "target met", told
    assert {sample.decision for sample in decided} <= {"accepted", "rejected"}, told
    accepted = [sample for sample in decided if sample.decision == "accepted"]
    assert {sample.instruction.scope for sample in accepted if sample.instruction} == {"global", "local"}
    for sample in accepted:
        assert sample.instruction
        assert sample.verdict
        kind = TYPES[sample.instruction.edit_type]
        assert sample.instruction.look == ""
        assert sample.edit
        assert sample.edit.route in kind.routes
        scores = sample.verdict.scores
        assert (scores["edit_applied"].value, scores["edit_applied"].counted) == (None, False)
        assert scores["instruction_followed"].passed
        assert all(score.value is not None for axis, score in scores.items() if score.counted)
        assert bool(sample.key_frame and sample.key_frame.masks) == (kind.scope == "local")
        assert bool(sample.instruction.target) == (kind.scope == "local")
        assert sample.provenance
        assert sample.provenance.models["target_masker"] == "finder"
    assert {request.prompt for request, _, _ in generator.asked} == {
        "An orange square glides past a grey wall in golden light."
    }, "a video model reads what the edited clip shows"
    assert {request.target for request in edited if request.scope == "global"} == {""}
    rows = list(read_metadata(tmp_path / "run" / "dataset"))
    assert len(rows) == 3
    assert all(row["scores"].keys() == load_axes() for row in rows)  # type: ignore[union-attr]


def load_axes() -> set[str]:
    return set(fake_profile(name="gpu").policy.thresholds)


@pytest.mark.slow
def test_a_model_that_is_not_content_rejects_open_words(tmp_path: Path) -> None:
    def harsh(asked: Asked) -> int:
        return 4 if "was the instruction carried out" in asked.text else 9

    _, [sample], *_ = open_run(tmp_path, expert(harsh), most=1)
    assert sample.decision == "rejected"
    judged = [event.note for event in events_of(tmp_path / "run", [sample]) if event.tool == "critique_key_frame"]
    assert judged
    assert all("failed instruction_followed" in note for note in judged)


@pytest.mark.slow
def test_a_target_that_is_not_found_is_told_to_the_planner_in_words(tmp_path: Path) -> None:
    finder = Finder(missed="the orange square")
    _, decided, generator, _ = open_run(tmp_path, finder=finder, target=3, most=6)
    lost = [event for event in events_of(tmp_path / "run", decided) if event.error and event.tool == "edit_key_frame"]
    assert lost
    assert all("finder finds no 'the orange square' in the clip; write an instruction" in str(e.error) for e in lost)
    assert {sample.decision for sample in decided} <= {"accepted", "rejected"}
    assert not [request for request, _, _ in generator.asked if request.target == "the orange square"]


def test_profiles_of_diffusion_models_are_built_without_torch() -> None:
    code = (
        "import sys\n"
        "from agent.context import build_models\n"
        "from agent.profile import load_profile\n"
        "for name in ('gpu', 'gpu_light'):\n"
        "    models = build_models(load_profile(name, ['servers.vlm.base_urls=http://127.0.0.1:9/v1']))\n"
        "    assert models.is_open and models.target_masker is models.masker\n"
        "assert not {'torch', 'diffusers', 'transformers'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_caption_of_the_expert_has_its_target() -> None:
    assert "orange square" in CAPTION["subjects"]
