"""decline_training: leaves the editor untrained for now, with a reason. For a campaign, not a sample."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, tool
from pydantic import Field

from tools.result import ToolResult


def decline_training() -> BaseTool:
    """The tool; it depends on nothing."""

    @tool(parse_docstring=True)
    async def decline_training(reason: Annotated[str, Field(max_length=200)]) -> ToolResult:
        """Do not train now; it is offered again when more pairs were accepted.

        Args:
            reason: why not, in a few words
        """
        return ToolResult(note=reason)

    return decline_training
