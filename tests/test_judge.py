"""Judging any pair: what is no pair, what cannot be measured, what is required; on a real edit, and on it broken."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.judge.pair_verdict import verdict_of
from agent.profile import load_profile
from agent.verdicts import GATES
from ditto_models import assets, video
from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Masks
from tests import commands
from tests.commands import call, line_of, run_command
from tests.fakes import FakeMasker, FakeSafety
from tools.catalogue import Catalogue
from tools.critic.of_pair import Pair, PairCritic

AXES = {
    "edit_applied",
    "key_frame_followed",
    "scope_confined",
    "source_structure",
    "source_motion",
    "temporal_steadiness",
    "visual_integrity",
    "safety",
    "distinct",
}
GLOBAL = "Change the time of day to night."
LOCAL = "Wash the background in shades of pink without touching the main subject."
FREE = "Put a hat on the rabbit."
FPS = 25.0


def moving(frames: int = 10, height: int = 96, width: int = 128) -> Frames:
    """A textured picture that slides by a pixel a frame."""
    noise = np.random.default_rng(1).integers(60, 200, (height, width + frames, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (9, 9), 2)
    picture = cv2.normalize(smooth, None, 40, 220, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.stack([picture[:, index : index + width] for index in range(frames)]).astype(np.uint8)


def nightly(frames: Frames) -> Frames:
    """Darker and bluer."""
    return np.asarray(frames * np.array([0.45, 0.5, 0.75]), np.uint8)


class CountingMasker(FakeMasker):
    """Counts how often it was asked."""

    asked = 0

    def mask(self, frames: Frames) -> Masks:
        self.asked += 1
        return super().mask(frames)


def critic(safety: FakeSafety | None = None, masker: FakeMasker | None = None) -> PairCritic:
    return PairCritic(Catalogue.load(), masker or FakeMasker(), safety or FakeSafety())


def pair(instruction: str, edited: Frames | None = None, key_edited: Frame | None = None) -> Pair:
    source = moving()
    return Pair(
        source=source,
        edited=nightly(source) if edited is None else edited,
        fps=FPS,
        instruction=instruction,
        key_index=None if key_edited is None else 5,
        key_edited=key_edited,
    )


POLICY = load_profile("embedded").policy


def test_a_pair_that_does_what_its_words_say_is_accepted_without_a_key_frame() -> None:
    verdict = verdict_of(pair(GLOBAL), critic(), POLICY)
    assert (verdict.decision, verdict.reasons) == ("accepted", [])
    assert set(verdict.scores) == AXES
    not_judged = {axis: score.reason for axis, score in verdict.scores.items() if score.value is None}
    assert set(not_judged) == {"key_frame_followed", "distinct"}
    assert not_judged["key_frame_followed"] == "not required: no edited key frame was given"
    assert all(reason.startswith("not ") for reason in not_judged.values())
    assert all(score.passed is None for score in verdict.scores.values() if score.value is None)


def test_thresholds_are_the_profiles() -> None:
    strict = load_profile("embedded", ("policy.thresholds.source_motion=1.0", "policy.thresholds.safety=0.9")).policy
    verdict = verdict_of(pair(GLOBAL), critic(FakeSafety(0.3)), strict)
    assert {axis: score.threshold for axis, score in verdict.scores.items()} == strict.thresholds
    assert "safety" in verdict.reasons


def test_words_are_matched_whatever_their_case_and_punctuation() -> None:
    assert verdict_of(pair("change the TIME of day, to night"), critic(), POLICY).decision == "accepted"


def test_words_outside_the_catalogue_are_unscored_and_say_so() -> None:
    verdict = verdict_of(pair(FREE), critic(), POLICY)
    assert (verdict.decision, verdict.rule) == ("unscored", "unscored")
    assert "edit_applied" in verdict.reasons
    applied = verdict.scores["edit_applied"]
    assert (applied.value, applied.passed) == (None, None)
    assert "can only measure instructions of its catalogue" in applied.reason
    assert verdict.scores["source_motion"].passed


def test_a_gate_that_fails_rejects_whatever_the_words() -> None:
    for words in (FREE, GLOBAL, LOCAL):
        verdict = verdict_of(pair(words), critic(FakeSafety(0.99)), POLICY)
        assert (verdict.decision, verdict.reasons) == ("rejected", ["safety"])
    black = verdict_of(pair(FREE, edited=np.zeros_like(moving())), critic(), POLICY)
    assert (black.decision, black.rule) == ("rejected", "gate")
    assert set(black.reasons) <= set(GATES)


def test_a_pair_that_nothing_was_done_to_is_rejected_for_it() -> None:
    verdict = verdict_of(pair(GLOBAL, edited=moving()), critic(), POLICY)
    assert (verdict.decision, verdict.reasons) == ("rejected", ["edit_applied", "scope_confined"])
    assert verdict.scores["edit_applied"].value == 0


def test_a_key_frame_that_is_given_must_be_followed() -> None:
    night = nightly(moving())[5]
    follows = verdict_of(pair(GLOBAL, key_edited=night), critic(), POLICY)
    assert follows.decision == "accepted"
    assert follows.scores["key_frame_followed"].passed
    red = (night * np.array([2.2, 0.3, 0.3])).clip(0, 255).astype(np.uint8)
    strays = verdict_of(pair(GLOBAL, key_edited=red), critic(), POLICY)
    assert (strays.decision, strays.reasons) == ("rejected", ["key_frame_followed"])


def test_a_local_edit_is_held_to_its_region() -> None:
    spilt = verdict_of(pair(LOCAL), critic(), POLICY)
    assert spilt.scores["scope_confined"].passed is False
    assert spilt.decision == "rejected"


def test_the_subject_is_looked_for_only_where_an_axis_needs_it() -> None:
    for words, key_edited, asked in ((GLOBAL, None, 0), (FREE, None, 0), (LOCAL, None, 1), (GLOBAL, moving()[5], 1)):
        masker = CountingMasker()
        critic(masker=masker).judge(pair(words, key_edited=key_edited))
        assert masker.asked == asked


# the command


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    video.write(path, moving(), FPS)
    return path


def problem_of(*arguments: object) -> str:
    return line_of(commands.problem_of("agent.judge", *arguments, "--instruction", GLOBAL))


@pytest.mark.parametrize(
    ("frames", "fps", "told"),
    [
        (moving(9), FPS, "differs in frames: source 10, edited 9"),
        (moving(height=64), FPS, "differs in size: source 128x96, edited 128x64"),
        (moving(), 30.0, "differs in rate: source 25 fps, edited 30 fps"),
    ],
)
def test_videos_that_are_no_pair_are_refused(source: Path, frames: Frames, fps: float, told: str) -> None:
    edited = source.with_name("edited.mp4")
    video.write(edited, frames, fps)
    assert told in problem_of(source, edited)


def test_a_file_that_is_no_video_is_refused_by_name(source: Path) -> None:
    words = source.with_name("words.mp4")
    words.write_text("words")
    assert "words.mp4" in problem_of(source, words)
    assert "words.mp4" in problem_of(words, source)
    assert "nowhere.mp4" in problem_of(source, source.with_name("nowhere.mp4"))


def test_a_pair_that_is_too_long_is_refused(tmp_path: Path) -> None:
    video.write(tmp_path / "long.mp4", np.zeros((301, 16, 16, 3), np.uint8), FPS)
    assert "has 301 frames; expected at most 300" in problem_of(tmp_path / "long.mp4", tmp_path / "long.mp4")


def test_a_key_frame_that_is_none_of_the_pair_is_refused(source: Path) -> None:
    words, small, right = (source.with_name(name) for name in ("words.png", "small.png", "right.png"))
    words.write_text("words")
    cv2.imwrite(str(small), moving(height=64)[0])
    cv2.imwrite(str(right), moving()[0])
    assert "words.png' cannot be read as an image" in problem_of(source, source, "--key-frame", words)
    assert "nowhere.png" in problem_of(source, source, "--key-frame", source.with_name("nowhere.png"))
    assert "is 128x64; expected 128x96" in problem_of(source, source, "--key-frame", small)
    for index in (-1, 10):
        error = problem_of(source, source, "--key-frame", right, "--key-frame-index", index)
        assert "expected 0 to 9" in error
    assert "give both or neither" in problem_of(source, source, "--key-frame-index", 3)


def test_the_help_states_what_is_not_required() -> None:
    said = run_command("agent.judge", "--help").stdout
    assert "not required without --key-frame" in " ".join(said.split())


# a real edit

BUNNY = (1.0, 17)
"""Where the window begins, in seconds, and its frames."""
REAL = "Give the video a warm amber color grade."


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with source.mp4, edited.mp4 and key.png: a real edit of a real clip."""
    from ditto_models.embedded.generator import LutFlowGenerator
    from ditto_models.embedded.key_frame_editor import KeyFrameEditor
    from ditto_models.embedded.subject_masker import SubjectMasker

    folder = tmp_path_factory.mktemp("pair")
    clip = video.read_window(assets.ensure("bigbuckbunny"), BUNNY[0], None, BUNNY[1], 640, 360)
    video.write(folder / "source.mp4", clip.frames, clip.fps)
    source = video.read(folder / "source.mp4").frames
    masks, middle = SubjectMasker().mask(source), len(source) // 2
    found = Catalogue.load().match(REAL)
    assert found is not None
    request = EditRequest(
        text=found.text,
        edit_type=found.edit_type,
        scope=found.scope,
        look=found.look,
        parameters=found.parameters,
        strength=0.8,
        seed=1,
    )
    key = KeyFrameEditor().edit(source[middle], masks[middle], request)
    given = KeyFramedClip(source=source, masks=masks, key_index=middle, key_edited=key)
    edited = LutFlowGenerator().generate(given, request, "structure")
    video.write(folder / "edited.mp4", edited, clip.fps)
    cv2.imwrite(str(folder / "key.png"), key[..., ::-1])
    return folder


def judged(folder: Path, edited: Path, *options: object, instruction: str = REAL) -> dict[str, Any]:
    done = call("agent.judge", folder / "source.mp4", edited, "--instruction", instruction, "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(found) == {"decision", "reasons", "scores"}
    assert set(found["scores"]) == AXES
    keys = {"value", "threshold", "passed", "reason", "counted", "combined"}
    assert all(set(score) == keys for score in found["scores"].values())
    return found


@pytest.mark.slow
def test_a_real_edit_is_accepted_with_and_without_its_key_frame(real: Path) -> None:
    found = judged(real, real / "edited.mp4")
    assert (found["decision"], found["reasons"]) == ("accepted", [])
    assert found["scores"]["key_frame_followed"]["value"] is None
    found = judged(real, real / "edited.mp4", "--key-frame", real / "key.png")
    assert found["decision"] == "accepted"
    assert found["scores"]["key_frame_followed"]["passed"] is True


@pytest.mark.slow
def test_a_real_edit_that_flickers_or_stands_still_is_rejected(real: Path) -> None:
    pixels = video.read(real / "edited.mp4").frames
    gains = np.where(np.arange(len(pixels)) % 2, 0.85, 1.0)[:, None, None, None]
    broken = {
        "temporal_steadiness": (pixels * gains).astype(np.uint8),
        "visual_integrity": np.repeat(pixels[len(pixels) // 2][None], len(pixels), axis=0),
    }
    for axis, frames in broken.items():
        path = real / f"{axis}.mp4"
        video.write(path, frames, FPS)
        found = judged(real, path)
        assert found["decision"] == "rejected"
        assert axis in found["reasons"]
        assert found["scores"][axis]["passed"] is False


@pytest.mark.slow
def test_a_real_edit_under_other_words_is_not_accepted(real: Path) -> None:
    found = judged(real, real / "edited.mp4", instruction=FREE)
    assert found["decision"] == "unscored"
    assert found["scores"]["edit_applied"]["value"] is None
    assert judged(real, real / "edited.mp4", instruction=GLOBAL)["decision"] == "rejected"


@pytest.mark.slow
def test_people_read_a_table(real: Path) -> None:
    done = run_command("agent.judge", real / "source.mp4", real / "edited.mp4", "--instruction", REAL)
    assert done.stderr == ""
    assert "pair: accepted by rule all_passed" in done.stdout
    assert all(axis in done.stdout for axis in AXES)
