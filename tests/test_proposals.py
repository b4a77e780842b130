"""What a conversation offers: numbers that never come back, questions that change nothing, previews side by side."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.policy import next_stage
from ditto_models.base import EditRequest, Frame, Mask
from ditto_models.executors.in_process import InProcessExecutor
from memory.artifacts import ArtifactStore
from memory.group_commit import LedgerError
from memory.sample import (
    AxisVerdict,
    Clip,
    Critique,
    Description,
    Instruction,
    Proposal,
    Sample,
    Score,
    Verdict,
)
from memory.talk import Said
from tests.fakes import FakeEditor, FakeMasker
from tests.moving_scene import moving_scene
from tools.advisor import Advice, Idea
from tools.key_frame_judging import KeyFrameJudging
from tools.key_frame_maker import KeyFrameMaker
from tools.media import Media
from tools.preview_edits import preview_edits
from tools.propose_edits import GO_ON, propose_edits
from tools.result import ToolError, ToolResult

SCENE = moving_scene(num_frames=9, height=48, width=64)


def instruction(text: str, look: str = "vivid") -> Instruction:
    return Instruction(text=text, edit_type="color_grade", scope="global", look=look)


class Answering:
    """An advisor that gives each answer in turn."""

    name = "answering"

    def __init__(self, *advice: Advice) -> None:
        self._left = list(advice)

    async def answer(self, sample: Sample) -> Advice:
        return self._left.pop(0)


class Broken(FakeEditor):
    """Cannot carry out some texts, and fails the run at one."""

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        if request.text.startswith("Break"):
            raise ToolError("the red car is not seen in frame 4; edit another frame")
        if request.text.startswith("Fill the disk"):
            raise LedgerError("no room is left")
        return super().edit(frame, mask, request)


class Dark:
    """Scores a candidate by how dark it is."""

    name = "dark"

    def __init__(self, media: Media) -> None:
        self._media = media

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        dark = 1 - float(self._media.image(candidate).mean()) / 255
        return Critique(scores={"edit_applied": Score(value=dark, reason="measured")})

    def judge_video(self, sample: Sample) -> Critique:
        raise NotImplementedError


def rule(sample: Sample, critique: Critique) -> Verdict:
    value = critique.scores["edit_applied"].value
    score = AxisVerdict(value=value, threshold=0.0, passed=True, reason="measured")
    return Verdict(decision="accepted", reasons=[], rule="all_passed", scores={"edit_applied": score})


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(ArtifactStore(tmp_path / "artifacts"))


@pytest.fixture
def executor() -> Iterator[InProcessExecutor]:
    executor = InProcessExecutor(2)
    yield executor
    executor.close()


def sample(media: Media, *proposals: Proposal, **changes: object) -> Sample:
    clip = Clip(
        clip_id="c",
        uri="c",
        sha256="0",
        start_seconds=0,
        end_seconds=0.36,
        fps=25.0,
        frames=9,
        width=64,
        height=48,
        video=media.put_frames(SCENE.frames, 25.0),
    )
    about = Description(caption="A scene.", facts={}, masks=media.put_masks(FakeMasker().mask(SCENE.frames)))
    return Sample(
        id="talk-1", seed=4, conversation=True, clip=clip, description=about, proposals=list(proposals)
    ).model_copy(update=changes)


def after(before: Sample, result: ToolResult) -> Sample:
    return Sample.model_validate(before.model_dump() | result.as_json())


async def proposed(of: Sample, *advice: Advice) -> Sample:
    tool = propose_edits(Answering(*advice))
    for _ in advice:
        of = after(of, await tool.ainvoke({"sample": of}))
    return of


async def previewed(of: Sample, media: Media, executor: InProcessExecutor) -> ToolResult:
    maker = KeyFrameMaker(editor=Broken(), media=media, executor=executor, runner=executor)
    judging = KeyFrameJudging(critic=Dark(media), rule=rule, executor=executor)
    tool = preview_edits(maker, judging, lambda error: not isinstance(error, LedgerError))
    result: ToolResult = await tool.ainvoke({"sample": of})
    return result


async def test_numbers_are_never_used_twice_and_a_question_leaves_what_was_on_offer(media: Media) -> None:
    two = Advice(
        words="Here are two.", ideas=(Idea(instruction=instruction("A.")), Idea(instruction=instruction("B.")))
    )
    one = Advice(words="Like this?", ideas=(Idea(instruction=instruction("C."), strength=0.5, note="No car."),))
    first = await proposed(sample(media, focus=7), two)
    assert [(each.number, each.instruction.text) for each in first.proposals] == [(1, "A."), (2, "B.")]
    assert first.focus == 0
    assert first.talk == [Said(by="agent", words="Here are two.")]
    assert next_stage("propose_edits", first, {}) == "proposed"
    second = await proposed(first, one)
    assert [(each.number, each.strength, each.note) for each in second.proposals] == [(3, 0.5, "No car.")]
    assert second.talk[-1].words == f"Like this? {GO_ON}", "a yes is to an edit, not to a question"
    shown = await proposed(second.model_copy(update={"focus": 3}), Advice(words="Which do you mean?"))
    assert (shown.proposals, shown.focus) == (second.proposals, 3)
    assert shown.talk[-1].words == "Which do you mean?"


async def test_more_ideas_than_are_shown_are_left_out(media: Media) -> None:
    many = tuple(Idea(instruction=instruction(f"{number}.")) for number in range(5))
    found = await proposed(sample(media), Advice(words="Many.", ideas=many))
    assert [each.number for each in found.proposals] == [1, 2, 3]


async def test_each_preview_is_of_its_proposal_at_the_frame_that_was_chosen(
    media: Media, executor: InProcessExecutor
) -> None:
    offered = [Proposal(number=number, instruction=instruction("Dim it."), strength=number / 10) for number in (3, 9)]
    of = sample(media, *offered, key_frame_index=2, verdict=None)
    result = await previewed(of, media, executor)
    weak, strong = after(of, result).proposals
    assert weak.key_frame
    assert strong.key_frame
    assert weak.verdict
    assert strong.verdict
    assert (weak.key_frame.index, weak.key_frame.strengths, strong.key_frame.strengths) == (2, [0.3], [0.9])
    assert weak.key_frame.source == strong.key_frame.source
    assert weak.key_frame.chosen == weak.key_frame.candidates[0]
    darkness = [each.verdict.scores["edit_applied"].value for each in (weak, strong) if each.verdict]
    assert darkness[0] is not None
    assert darkness[1] is not None
    assert darkness[0] < darkness[1]
    assert "talk" not in result.changes
    assert result.model_seconds > 0
    assert result.note.startswith("3: frame 2 at strength 0.30, seed 4; candidate 1 of 1")
    again = await previewed(after(of, result), media, executor)
    assert again.changes["proposals"] == [weak, strong], "what has a preview is left alone"


async def test_without_a_choice_it_is_the_middle_frame(media: Media, executor: InProcessExecutor) -> None:
    of = sample(media, Proposal(number=1, instruction=instruction("Dim it."), strength=0.5))
    [shown] = after(of, await previewed(of, media, executor)).proposals
    assert shown.key_frame
    assert shown.key_frame.index == 4


async def test_a_frame_that_the_clip_does_not_have_is_told_in_words(media: Media, executor: InProcessExecutor) -> None:
    of = sample(media, Proposal(number=1, instruction=instruction("Dim it."), strength=0.5))
    of = of.model_copy(update={"key_frame_index": 500})
    [lost] = after(of, await previewed(of, media, executor)).proposals
    assert re.fullmatch(r"there is no frame 500; the clip has frames 0 to \d+", lost.problem)


async def test_a_preview_that_fails_loses_no_other_and_is_told(media: Media, executor: InProcessExecutor) -> None:
    texts = ("Dim it.", "Break it.", "Darken it.")
    offered = [Proposal(number=n, instruction=instruction(text), strength=0.8) for n, text in enumerate(texts, 1)]
    of = sample(media, *offered)
    found = after(of, await previewed(of, media, executor))
    assert [each.key_frame is not None for each in found.proposals] == [True, False, True]
    assert found.proposals[1].problem == "the red car is not seen in frame 4; edit another frame"
    assert found.talk[-1].words.startswith("I could not show all of them. 2: the red car is not seen")
    asked = await proposed(found, Advice(words="Which?"))
    assert next_stage("propose_edits", asked, {}) == "awaiting_person", "a question does not try it again"


async def test_where_all_fail_it_says_so(media: Media, executor: InProcessExecutor) -> None:
    of = sample(media, Proposal(number=1, instruction=instruction("Break it."), strength=0.8))
    found = after(of, await previewed(of, media, executor))
    assert found.talk[-1].words.startswith("I could not show this. 1: the red car is not seen in frame 4")
    assert "Another frame may do" in found.talk[-1].words


async def test_what_breaks_the_run_is_not_taken_for_a_bad_preview(media: Media, executor: InProcessExecutor) -> None:
    of = sample(media, Proposal(number=1, instruction=instruction("Fill the disk."), strength=0.8))
    with pytest.raises(LedgerError, match="no room is left"):
        await previewed(of, media, executor)


def test_cost_of_what_was_made_before_it_failed_is_counted(media: Media, executor: InProcessExecutor) -> None:
    class NoJudge(Dark):
        def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
            raise RuntimeError("the judge is away")

    maker = KeyFrameMaker(editor=FakeEditor(), media=media, executor=executor, runner=executor)
    tool = preview_edits(maker, KeyFrameJudging(critic=NoJudge(media), rule=rule, executor=executor))
    of = sample(media, Proposal(number=1, instruction=instruction("Dim it."), strength=0.8))
    result: ToolResult = asyncio.run(tool.ainvoke({"sample": of}))
    assert result.model_seconds > 0
    [lost] = after(of, result).proposals
    assert (lost.problem, lost.key_frame) == ("RuntimeError: the judge is away", None)
