"""critique_key_frame: judges every candidate of the edited key frame and keeps the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.executors.base import Executor
from memory.sample import Critique, KeyFrame, Sample, Verdict
from tools.critic.beside import verdict_beside
from tools.critic.protocol import Critic, Judge
from tools.result import ToolResult
from tools.together import together

Rule = Callable[[Sample, Critique], Verdict]
COMFORTABLE = 0.25


def critique_key_frame(critic: Critic, rule: Rule, executor: Executor, judge: Judge | None = None) -> BaseTool:
    """The tool over a critic, the rule that holds critiques against thresholds, and where there is one a model.

    The model is asked for those candidates that pass what was measured, all at once.
    """

    def measure(sample: Sample, key_frame: KeyFrame) -> list[Critique]:
        return [critic.judge_key_frame(sample, candidate) for candidate in key_frame.candidates]

    async def verdict(sample: Sample, candidate: str, measured: Critique) -> Verdict:
        if judge is None:
            return rule(sample, measured)
        asked = judge
        return await verdict_beside(
            measured,
            lambda critique: rule(sample, critique),
            asked.key_frame_axes,
            lambda: asked.judge_key_frame(sample, candidate),
            asked.score_rejected,
        )

    @tool
    async def critique_key_frame(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Judge the edited key frame, before a video is paid for."""
        key_frame = sample.key_frame
        if key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no edited key frame to judge")
        measured = await executor.run(measure, sample, key_frame)
        pairs = zip(key_frame.candidates, measured.value, strict=True)
        verdicts = await together(verdict(sample, candidate, critique) for candidate, critique in pairs)
        best = max(range(len(verdicts)), key=lambda index: rank(verdicts[index]))
        chosen = key_frame.model_copy(update={"chosen": key_frame.candidates[best]})
        return ToolResult(
            changes={"key_frame": chosen, "key_frame_verdict": verdicts[best]},
            note=f"candidate {best + 1} of {len(verdicts)}: {said(verdicts[best])}",
            model=names(critic, judge),
            model_seconds=measured.seconds,
        )

    return critique_key_frame


def names(critic: Critic, judge: Judge | None) -> str:
    """Who judged, for the trace."""
    return critic.name if judge is None else f"{critic.name}, {judge.name}"


def rank(verdict: Verdict) -> tuple[int, float]:
    """Accepted before unscored before rejected, then by the axis nearest to failing.

    What passes comfortably is equal, so that of several good candidates the one of the strength asked for is kept.
    """
    order = {"accepted": 2, "unscored": 1, "rejected": 0}[verdict.decision]
    scores = [score for score in verdict.scores.values() if score.counted]
    margins = [score.value - score.threshold for score in scores if score.value is not None]
    return order, min(COMFORTABLE, *margins)


def said(verdict: Verdict) -> str:
    """A verdict in a few words."""
    if verdict.decision == "accepted":
        return "passed every axis"
    worst = [f"{axis} ({verdict.scores[axis].reason})" for axis in verdict.reasons]
    return f"{'failed' if verdict.decision == 'rejected' else 'could not judge'} {', '.join(worst)}"
