"""accept: keeps the pair. Policy offers it only when every gate and every axis passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from memory.sample import Provenance, Sample
from tools.result import ToolResult


def accept(provenance: Callable[[], Provenance]) -> BaseTool:
    """The tool over what made the sample."""

    @tool
    async def accept(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Keep the pair: every gate and every axis passed."""
        return ToolResult(changes={"decision": "accepted", "reasons": [], "provenance": provenance()}, note="kept")

    return accept
