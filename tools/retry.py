"""retry: goes back to the stage at fault with a diagnosis that the next attempt can read."""

from __future__ import annotations

from typing import Annotated, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from memory.sample import Diagnosis, Sample
from tools.result import ToolResult


def retry() -> BaseTool:
    """The tool; it depends on nothing."""

    @tool(parse_docstring=True)
    async def retry(
        sample: Annotated[Sample, InjectedToolArg],
        stage: Literal["instruction", "key_frame", "video"],
        axis: Annotated[str, Field(max_length=40)],
        change: Annotated[str, Field(min_length=1, max_length=300)],
    ) -> ToolResult:
        """Do a stage again, because the video failed an axis. Only that stage and what follows is redone.

        Args:
            stage: the stage at fault
            axis: the axis that failed
            change: what to do differently, concretely
        """
        diagnosis = Diagnosis(stage=stage, axis=axis, change=change)
        note = f"{stage} again, because {axis} failed: {change}"
        return ToolResult(changes={"diagnoses": [*sample.diagnoses, diagnosis]}, note=note)

    return retry
