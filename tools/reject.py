"""reject: gives the sample up, with a reason."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from memory.sample import Sample
from tools.result import ToolResult


def reject() -> BaseTool:
    """The tool; it depends on nothing."""

    @tool(parse_docstring=True)
    async def reject(
        sample: Annotated[Sample, InjectedToolArg],
        reason: Annotated[str, Field(max_length=40)],
        note: Annotated[str, Field(max_length=200)] = "",
    ) -> ToolResult:
        """Give this sample up.

        Args:
            reason: why, one of those offered
            note: a few words for the trace, or empty
        """
        verdict = sample.verdict or sample.key_frame_verdict
        reasons = list(verdict.reasons) if verdict and verdict.reasons else [reason]
        return ToolResult(changes={"decision": "rejected", "reasons": reasons}, note=note or reason)

    return reject
