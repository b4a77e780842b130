"""critique_video: judges the edited video on every axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.executors.base import Executor
from memory.sample import Critique, Sample
from tools.critique_key_frame import Rule, said
from tools.result import ToolResult

JudgeVideo = Callable[[Sample], Critique]


def critique_video(judge: JudgeVideo, rule: Rule, critic: str, executor: Executor) -> BaseTool:
    """The tool over a critic, named for the trace, and the rule that holds critiques against thresholds."""

    @tool
    async def critique_video(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Judge the edited video against the source, the key frame and the instruction."""
        judged = await executor.run(judge, sample)
        verdict = rule(sample, judged.value)
        return ToolResult(changes={"verdict": verdict}, note=said(verdict), model=critic, model_seconds=judged.seconds)

    return critique_video
