"""edit_key_frame: edits one frame of the clip as the instruction says, in one or several candidates."""

from __future__ import annotations

from typing import Annotated, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from memory.sample import Sample
from tools.key_frame_maker import KeyFrameMaker
from tools.result import ToolResult, cost

FramePlace = Literal["first", "middle", "last"]
STRENGTH_STEPS = (0.0, -0.15, 0.15, -0.3)
"""How each candidate's strength differs from the one asked for."""


def frame_index(place: FramePlace, frames: int) -> int:
    """The number of a frame, counted from 0."""
    return {"first": 0, "middle": frames // 2, "last": frames - 1}[place]


def edit_key_frame(maker: KeyFrameMaker) -> BaseTool:
    """The tool over what makes edited key frames."""

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
        first_seed = sample.seed + 100 * sample.attempts.get("edit_key_frame", 0)
        made = await maker.make(sample, index, strengths, first_seed)
        return ToolResult(
            changes={"key_frame": made.value}, note="; ".join(made.notes), model=maker.editor.name, **cost(made)
        )

    return edit_key_frame
