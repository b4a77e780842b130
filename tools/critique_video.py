"""critique_video: judges the edited video on every axis; of a rejected one a model says what to mend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.executors.base import Executor
from memory.sample import Critique, Diagnosis, Sample, Verdict
from tools.ask import Unreadable
from tools.captioner import one_line
from tools.critic.beside import verdict_beside
from tools.critic.protocol import Critic, Judge
from tools.key_frame_judging import Rule, names, said
from tools.result import ToolResult

Failed = Callable[[Verdict], Sequence[str]]
"""The axes that failed, the worst first."""


def critique_video(
    critic: Critic, rule: Rule, failed: Failed, executor: Executor, judge: Judge | None = None
) -> BaseTool:
    """The tool over a critic, the rule that holds critiques against thresholds, and where there is one a model."""

    async def verdict_on(sample: Sample, measured: Critique, asked: Judge) -> Verdict:
        return await verdict_beside(
            measured,
            lambda critique: rule(sample, critique),
            asked.video_axes,
            lambda: asked.judge_video(sample),
            asked.score_rejected,
        )

    @tool
    async def critique_video(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Judge the edited video against the source, the key frame and the instruction."""
        measured = await executor.run(critic.judge_video, sample)
        model, changes, told = names(critic, judge), {}, ""
        if judge is None:
            verdict = rule(sample, measured.value)
        else:
            verdict = await verdict_on(sample, measured.value, judge)
            rejected = verdict.decision == "rejected"
            found = await judge.diagnose(sample, verdict, failed(verdict)) if rejected else None
            changes, told = {"suggestion": found if isinstance(found, Diagnosis) else None}, _told(found)
        return ToolResult(
            changes={"verdict": verdict, **changes},
            note=said(verdict) + told,
            model=model,
            model_seconds=measured.seconds,
        )

    return critique_video


def _told(found: Diagnosis | Unreadable | None) -> str:
    if isinstance(found, Diagnosis):
        return f"; to mend {found.axis}: {found.stage}, {found.change}"
    return f"; no diagnosis by the model ({one_line(found.problem)}), so the table's stands" if found else ""
