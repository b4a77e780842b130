"""critique_key_frame: judges every candidate of the edited key frame and keeps the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.executors.base import Executor
from memory.sample import Critique, KeyFrame, Sample, Verdict
from tools.result import ToolResult

JudgeKeyFrame = Callable[[Sample, str], Critique]
"""Sample and the artifact of a candidate to its critique."""
Rule = Callable[[Sample, Critique], Verdict]
COMFORTABLE = 0.25


def critique_key_frame(judge: JudgeKeyFrame, rule: Rule, critic: str, executor: Executor) -> BaseTool:
    """The tool over a critic, named for the trace, and the rule that holds critiques against thresholds."""

    def judge_all(sample: Sample, key_frame: KeyFrame) -> list[Verdict]:
        return [rule(sample, judge(sample, candidate)) for candidate in key_frame.candidates]

    @tool
    async def critique_key_frame(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Judge the edited key frame, before a video is paid for."""
        key_frame = sample.key_frame
        if key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no edited key frame to judge")
        judged = await executor.run(judge_all, sample, key_frame)
        best = max(range(len(judged.value)), key=lambda index: rank(judged.value[index]))
        chosen = key_frame.model_copy(update={"chosen": key_frame.candidates[best]})
        return ToolResult(
            changes={"key_frame": chosen, "key_frame_verdict": judged.value[best]},
            note=f"candidate {best + 1} of {len(judged.value)}: {said(judged.value[best])}",
            model=critic,
            model_seconds=judged.seconds,
        )

    return critique_key_frame


def rank(verdict: Verdict) -> tuple[int, float]:
    """Accepted before unscored before rejected, then by the axis nearest to failing.

    What passes comfortably is equal, so that of several good candidates the one of the strength asked for is kept.
    """
    order = {"accepted": 2, "unscored": 1, "rejected": 0}[verdict.decision]
    margins = [score.value - score.threshold for score in verdict.scores.values() if score.value is not None]
    return order, min(COMFORTABLE, *margins)


def said(verdict: Verdict) -> str:
    """A verdict in a few words."""
    if verdict.decision == "accepted":
        return "passed every axis"
    worst = [f"{axis} ({verdict.scores[axis].reason})" for axis in verdict.reasons]
    return f"{'failed' if verdict.decision == 'rejected' else 'could not judge'} {', '.join(worst)}"
