"""Targets of local edits: words that name them, where they are found, and whose masks a candidate goes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ditto_models.base import EditRequest, Frame, Frames, KeyFrameEditor, Mask, Masks, Noise
from ditto_models.embedded.text_embedder import BgeSmallEmbedder
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.gpu.changed_region import changed_masks
from memory.artifacts import ArtifactStore
from memory.sample import Clip, Description, Edit, Instruction, KeyFrame, Sample
from tests.fakes import FakeEditor, FakeMasker
from tests.moving_scene import moving_scene
from tools.edit_key_frame import edit_key_frame
from tools.edit_types import open_edit_types
from tools.enhance_video import enhance_video
from tools.key_frame_maker import KeyFrameMaker
from tools.media import Media
from tools.requests import edit_request, masks_of
from tools.result import ToolError, ToolResult
from tools.target_checks import problems_of_result, problems_of_target
from tools.target_masks import TargetMasks

CAPTION = "A man in a red jacket walks a small dog past a parked car. Tall trees behind them. Soft daylight."
EMBEDDER = BgeSmallEmbedder()


def problems(target: str, instruction: str) -> list[str]:
    return problems_of_target(target, instruction, "what", [CAPTION], EMBEDDER.embed, 0.65)


@pytest.mark.parametrize(
    ("target", "instruction"),
    [
        ("the parked car", "Paint the car yellow."),
        ("the small dog", "Replace the dog with a fox."),
        ("the red jacket of the man", "Turn his jacket blue."),
        ("trees", "Give the trees a bark of gold."),
        ("the puppy", "Replace the puppy with a fox."),
    ],
)
def test_a_target_that_is_there_and_is_named_stands(target: str, instruction: str) -> None:
    assert problems(target, instruction) == []


@pytest.mark.parametrize(
    ("target", "instruction", "problem"),
    [
        ("the helicopter", "Remove the helicopter.", "which the caption does not have"),
        ("the parked car", "Replace the dog with a fox.", "does not name its target"),
        ("very red", "Make the car very red.", "names no thing"),
        ("<b>the car</b>", "Paint the car yellow.", "not a few plain words"),
        ("the car that a man in a red jacket walks his dog past today", "Paint the car.", "not a few plain words"),
    ],
)
def test_a_target_that_cannot_be_looked_for_is_told(target: str, instruction: str, problem: str) -> None:
    [told] = problems(target, instruction)
    assert problem in told


def test_the_place_of_something_new_is_held_to_its_length_only() -> None:
    for place, fine in (("in the sky above the trees", True), (" ".join(["far"] * 11), False)):
        assert (problems_of_target(place, "Add a kite.", "where", [CAPTION], EMBEDDER.embed, 0.65) == []) is fine


def test_a_description_of_the_edited_clip_is_a_sentence_fit_for_all() -> None:
    assert problems_of_result("A man walks a fox past a parked car.") == []
    assert "3 words" in problems_of_result("A man walks.")[0]
    assert "'naked'" in problems_of_result("A naked man walks past a parked car.")[0]


SCENE = moving_scene(num_frames=9, height=48, width=64)


class Finder:
    """Finds things in the frames that it is told."""

    name = "finder"

    def __init__(self, places: Sequence[int]) -> None:
        self.places, self.asked = places, 0

    def mask_target(self, frames: Frames, words: str) -> Masks:
        self.asked += 1
        masks = np.zeros(frames.shape[:3], np.float32)
        masks[list(self.places), 8:24, 8:24] = 1
        return masks


class Adder:
    """Adds a bright patch, another one for each seed; nothing for odd seeds where it is lazy."""

    name = "adder"

    def __init__(self, lazy: Sequence[int] = ()) -> None:
        self.lazy = lazy

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        edited = frame.copy()
        if request.seed not in self.lazy:
            left = 8 + 10 * (request.seed % 4)
            edited[20:34, left : left + 12] = (255, 255, 0)
        return edited


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(ArtifactStore(tmp_path / "artifacts"))


@pytest.fixture
def executor() -> Iterator[InProcessExecutor]:
    executor = InProcessExecutor(2)
    yield executor
    executor.close()


def sample(media: Media, edit_type: str, key_frame: KeyFrame | None = None) -> Sample:
    size = {"frames": 9, "width": 64, "height": 48, "fps": 25.0}
    video, masks = media.put_frames(SCENE.frames, 25.0), media.put_masks(FakeMasker().mask(SCENE.frames))
    return Sample(
        id="s",
        seed=4,
        clip=Clip(clip_id="c", uri="c", sha256="0", start_seconds=0, end_seconds=0.36, video=video, **size),
        description=Description(caption=CAPTION, facts={}, masks=masks),
        instruction=Instruction(text="Do it.", edit_type=edit_type, scope="local", target="the car", result="A car."),
        key_frame=key_frame,
    )


def targets(media: Media, executor: InProcessExecutor, finder: Finder) -> TargetMasks:
    return TargetMasks(
        masker=finder,
        changed=changed_masks,
        edit_types=open_edit_types(),
        media=media,
        executor=executor,
        runner=executor,
    )


def maker(editor: KeyFrameEditor, media: Media, executor: InProcessExecutor, finder: Finder) -> KeyFrameMaker:
    found = targets(media, executor, finder)
    return KeyFrameMaker(editor=editor, media=media, executor=executor, runner=executor, targets=found)


async def edited(
    of: Sample, media: Media, executor: InProcessExecutor, finder: Finder, **arguments: object
) -> KeyFrame:
    editor = Adder(lazy=(5, 7)) if of.instruction and of.instruction.edit_type == "add" else FakeEditor()
    tool = edit_key_frame(maker(editor, media, executor, finder))
    result: ToolResult = await tool.ainvoke({"sample": of, **arguments})
    made = result.changes["key_frame"]
    assert isinstance(made, KeyFrame)
    return made


async def test_a_targets_masks_are_found_once_for_all_candidates_and_attempts(
    media: Media, executor: InProcessExecutor
) -> None:
    finder, of = Finder(range(9)), sample(media, "remove")
    made = await edited(of, media, executor, finder, candidates=3)
    assert len(made.candidates) == len(made.masks) == 3
    assert len(set(made.masks)) == 1
    again = await edited(of.model_copy(update={"key_frame": made}), media, executor, finder)
    assert again.masks == made.masks[:1]
    assert finder.asked == 1
    assert of.description
    assert masks_of(of) == of.description.masks
    chosen = again.model_copy(update={"chosen": again.candidates[0]})
    assert masks_of(of.model_copy(update={"key_frame": chosen})) == made.masks[0]


@pytest.mark.parametrize(
    ("places", "problem"),
    [((), "finder finds no 'the car' in the clip; write"), ((0, 1), "not seen in frame 4, and best in frame 0 of 9")],
)
async def test_a_target_that_is_not_seen_is_told(
    media: Media, executor: InProcessExecutor, places: tuple[int, ...], problem: str
) -> None:
    with pytest.raises(ToolError, match=problem):
        await edited(sample(media, "replace"), media, executor, Finder(places))


async def test_what_an_edit_adds_is_found_in_each_candidate_and_those_without_are_left_out(
    media: Media, executor: InProcessExecutor
) -> None:
    finder, of = Finder(()), sample(media, "add")
    made = await edited(of, media, executor, finder, candidates=4)
    assert finder.asked == 0
    assert len(made.candidates) == len(made.strengths) == len(made.masks) == len(set(made.masks)) == 2
    for candidate, masks in zip(made.candidates, made.masks, strict=True):
        found, changed = media.masks(masks)[made.index], media.image(candidate) != media.image(made.source)
        assert found[changed.any(axis=2)].mean() > 0.95
        assert found.mean() < 0.5


async def test_an_enhancer_touches_nothing_outside_a_targets_mask(media: Media, executor: InProcessExecutor) -> None:
    class Inverter:
        name = "inverter"

        def enhance(self, source: Frames, edited: Frames, noise: Noise, seed: int) -> Frames:
            return np.bitwise_xor(source, 128)

    of = sample(media, "remove")
    key_frame = (await edited(of, media, executor, Finder(range(9)))).model_copy(update={"index": 4})
    chosen = key_frame.model_copy(update={"chosen": key_frame.candidates[0]})
    assert of.clip
    source = media.frames(of.clip.video).astype(int)
    tool = enhance_video(Inverter(), media, executor, executor)
    for route, kept in (("mask", True), ("structure", False)):
        edit = Edit(video=of.clip.video, route=route, strength=1)
        result = await tool.ainvoke({"sample": of.model_copy(update={"key_frame": chosen, "edit": edit})})
        change = np.abs(media.frames(result.changes["edit"].video).astype(int) - source).max(axis=(0, 3))
        assert change[10:22, 10:22].mean() > 50
        assert bool(change[32:, 32:].mean() < 20) is kept  # what H.264 does to a picture this small


async def test_an_edit_that_adds_nothing_is_told(media: Media, executor: InProcessExecutor) -> None:
    tool = edit_key_frame(maker(Adder(lazy=range(99)), media, executor, Finder(())))
    with pytest.raises(ToolError, match="added nothing to the key frame"):
        await tool.ainvoke({"sample": sample(media, "add")})


def test_a_video_model_reads_the_writers_description_and_else_the_caption_and_the_order(media: Media) -> None:
    of = sample(media, "remove")
    assert of.description
    assert of.instruction
    assert edit_request(of.description, of.instruction, 1.0, 0).prompt == "A car."
    plain = of.instruction.model_copy(update={"result": ""})
    prompt = edit_request(of.description, plain, 1.0, 0).prompt
    assert CAPTION in prompt
    assert "Do it." in prompt
