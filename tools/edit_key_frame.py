"""edit_key_frame: edits one frame of the clip as the instruction says, in one or several candidates."""

from __future__ import annotations

from typing import Annotated, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from ditto_models.base import EditRequest, Frame, KeyFrameEditor, Mask
from ditto_models.executors.base import Executor
from memory.sample import KeyFrame, Sample
from tools.media import Media
from tools.requests import edit_request, parts
from tools.result import ToolResult, cost, noted
from tools.together import together

FramePlace = Literal["first", "middle", "last"]
STRENGTH_STEPS = (0.0, -0.15, 0.15, -0.3)
"""How each candidate's strength differs from the one asked for."""


def frame_index(place: FramePlace, frames: int) -> int:
    """The number of a frame, counted from 0."""
    return {"first": 0, "middle": frames // 2, "last": frames - 1}[place]


def edit_key_frame(editor: KeyFrameEditor, media: Media, executor: Executor, runner: Executor) -> BaseTool:
    """The tool over a key-frame editor, which runs on `runner`; pixels are read and stored on `executor`."""

    def gather(sample: Sample, index: int) -> tuple[Frame, Mask]:
        clip, description, _ = parts(sample)
        return media.frames(clip.video)[index], media.masks(description.masks)[index]

    def requests(sample: Sample, strengths: list[float]) -> list[EditRequest]:
        _, description, instruction = parts(sample)
        first = sample.seed + 100 * sample.attempts.get("edit_key_frame", 0)
        return [
            edit_request(description, instruction, strength, first + number)
            for number, strength in enumerate(strengths)
        ]

    def kept(index: int, source: Frame, edited: list[Frame], strengths: list[float]) -> KeyFrame:
        candidates = [media.put_image(frame) for frame in edited]
        return KeyFrame(index=index, source=media.put_image(source), candidates=candidates, strengths=strengths)

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
        source, mask = (await executor.run(gather, sample, index)).value
        # At the same time: where there are several GPUs, each makes one.
        asked = requests(sample, strengths)
        made = await together(runner.run(editor.edit, source, mask, request) for request in asked)
        key_frame = await executor.run(kept, index, source, [each.value for each in made], strengths)
        note = f"frame {index} at strength {', '.join(f'{value:.2f}' for value in strengths)}"
        return ToolResult(
            changes={"key_frame": key_frame.value}, note=noted(note, *made), model=editor.name, **cost(*made)
        )

    return edit_key_frame
