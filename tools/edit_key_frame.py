"""edit_key_frame: edits one frame of the clip as the instruction says, in one or several candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from ditto_models.base import EditRequest, Frame, KeyFrameEditor, Mask
from ditto_models.executors.base import Executor, Timed
from memory.sample import KeyFrame, Sample
from tools.media import Media
from tools.requests import edit_request, parts
from tools.result import ToolError, ToolResult, cost, noted
from tools.target_masks import TargetMasks
from tools.together import together

FramePlace = Literal["first", "middle", "last"]
STRENGTH_STEPS = (0.0, -0.15, 0.15, -0.3)
"""How each candidate's strength differs from the one asked for."""

_NONE = Timed(value="", seconds=0.0)


def frame_index(place: FramePlace, frames: int) -> int:
    """The number of a frame, counted from 0."""
    return {"first": 0, "middle": frames // 2, "last": frames - 1}[place]


def edit_key_frame(
    editor: KeyFrameEditor,
    media: Media,
    executor: Executor,
    runner: Executor,
    targets: TargetMasks | None = None,
) -> BaseTool:
    """The tool over a key-frame editor, which runs on `runner`; pixels are read and stored on `executor`.

    `targets` finds where local edits are; without it, they are of the main subject.
    """

    def gather(sample: Sample, index: int, masks: str) -> tuple[Frame, Mask]:
        clip, description, _ = parts(sample)
        return media.frames(clip.video)[index], media.masks(masks or description.masks)[index]

    def requests(sample: Sample, strengths: list[float]) -> list[EditRequest]:
        _, description, instruction = parts(sample)
        first = sample.seed + 100 * sample.attempts.get("edit_key_frame", 0)
        return [
            edit_request(description, instruction, strength, first + number)
            for number, strength in enumerate(strengths)
        ]

    async def changes(sample: Sample, index: int, edited: list[Frame]) -> list[Timed[str]]:
        if targets is None or not targets.are_of_change(sample):
            return [Timed(value="", seconds=0.0) for _ in edited]
        found = await together(targets.of_change(sample, index, frame) for frame in edited)
        if not any(one.value for one in found):
            raise ToolError(
                "the edit added nothing to the key frame that could be told from its source; "
                "ask for more strength or another frame, or write another instruction"
            )
        return found

    def kept(index: int, source: Frame, edited: list[Frame], strengths: list[float], masks: list[str]) -> KeyFrame:
        candidates = [media.put_image(frame) for frame in edited]
        return KeyFrame(
            index=index, source=media.put_image(source), candidates=candidates, strengths=strengths, masks=masks
        )

    @tool(parse_docstring=True)
    async def edit_key_frame(
        sample: Annotated[Sample, InjectedToolArg],
        frame: FramePlace = "middle",
        strength: Annotated[float, Field(ge=0.3, le=1.0)] = 0.8,
        candidates: Annotated[int, Field(ge=1, le=4)] = 1,
    ) -> ToolResult:
        """Edit one frame of the clip as the instruction says; the video will follow this frame.

        Args:
            frame: which frame; the middle one is nearest to all others
            strength: how far to go, from 0.3 (subtle) to 1 (strong)
            candidates: how many versions to make; the best by the critic is kept
        """
        assert sample.clip is not None
        strengths = [min(1.0, max(0.3, strength + step)) for step in STRENGTH_STEPS[:candidates]]
        index = frame_index(frame, sample.clip.frames)
        target = await targets.of_target(sample, index) if targets and targets.are_of_target(sample) else _NONE
        source, mask = (await executor.run(gather, sample, index, target.value)).value
        # At the same time: where there are several GPUs, each makes one.
        asked = requests(sample, strengths)
        made = await together(runner.run(editor.edit, source, mask, request) for request in asked)
        changed = await changes(sample, index, [each.value for each in made])
        whole = [place for place, one in enumerate(changed) if one.value] or list(range(len(made)))
        masks = [changed[place].value or target.value for place in whole]
        edited, used = [made[place].value for place in whole], [strengths[place] for place in whole]
        stored = await executor.run(kept, index, source, edited, used, masks if any(masks) else [])
        work: list[Timed[Any]] = [target, *made, *changed]
        note = noted(said(index, asked, len(whole)), *work)
        return ToolResult(changes={"key_frame": stored.value}, note=note, model=editor.name, **cost(*work))

    return edit_key_frame


def said(index: int, asked: Sequence[EditRequest], used: int) -> str:
    """What was tried, in one line: seeds tell candidates apart where an editor leaves strength aside."""
    strengths = ", ".join(f"{request.strength:.2f}" for request in asked)
    seeds = f"seeds {asked[0].seed} to {asked[-1].seed}" if len(asked) > 1 else f"seed {asked[0].seed}"
    lost = f"; {len(asked) - used} of them changed nothing and were left out" if used < len(asked) else ""
    return f"frame {index} at strength {strengths}, {seeds}{lost}"
