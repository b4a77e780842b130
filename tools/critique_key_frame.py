"""critique_key_frame: judges every candidate of the edited key frame and keeps the best."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from memory.sample import Sample
from tools.key_frame_judging import KeyFrameJudging
from tools.result import ToolResult, cost


def critique_key_frame(judging: KeyFrameJudging) -> BaseTool:
    """The tool over what judges key frames."""

    @tool
    async def critique_key_frame(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Judge the edited key frame, before a video is paid for."""
        judged = await judging.of(sample)
        return ToolResult(
            changes={"key_frame": judged.value.key_frame, "key_frame_verdict": judged.value.verdict},
            note="; ".join(judged.notes),
            model=judging.name,
            **cost(judged),
        )

    return critique_key_frame
