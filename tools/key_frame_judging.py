"""Judges every candidate of an edited key frame and chooses the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ditto_models.executors.base import Executor, Timed
from memory.sample import Critique, KeyFrame, Sample, Verdict
from tools.critic.beside import verdict_beside
from tools.critic.protocol import Critic, Judge
from tools.together import together

Rule = Callable[[Sample, Critique], Verdict]
COMFORTABLE = 0.25


@dataclass(frozen=True, kw_only=True)
class JudgedKeyFrame:
    """A key frame with its best candidate chosen, and the verdict on that."""

    key_frame: KeyFrame
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class KeyFrameJudging:
    """Over a critic, the rule that holds critiques against thresholds, and where there is one a model.

    The model is asked for those candidates that pass what was measured, all at once.
    """

    critic: Critic
    rule: Rule
    executor: Executor
    judge: Judge | None = None

    @property
    def name(self) -> str:
        """Who judges, for the trace."""
        return names(self.critic, self.judge)

    async def of(self, sample: Sample) -> Timed[JudgedKeyFrame]:
        """The best candidate of the sample's key frame; the note says how it did.

        Raises:
            ValueError: the sample has no edited key frame.
            Exception: the judge's own, when no server answered it.
        """
        key_frame = sample.key_frame
        if key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no edited key frame to judge")
        measured = await self.executor.run(self._measure, sample, key_frame)
        pairs = zip(key_frame.candidates, measured.value, strict=True)
        verdicts = await together(self._verdict(sample, candidate, critique) for candidate, critique in pairs)
        best = max(range(len(verdicts)), key=lambda index: rank(verdicts[index]))
        chosen = key_frame.model_copy(update={"chosen": key_frame.candidates[best]})
        return Timed(
            value=JudgedKeyFrame(key_frame=chosen, verdict=verdicts[best]),
            seconds=measured.seconds,
            notes=(f"candidate {best + 1} of {len(verdicts)}: {said(verdicts[best])}",),
        )

    def _measure(self, sample: Sample, key_frame: KeyFrame) -> list[Critique]:
        return [self.critic.judge_key_frame(sample, candidate) for candidate in key_frame.candidates]

    async def _verdict(self, sample: Sample, candidate: str, measured: Critique) -> Verdict:
        if self.judge is None:
            return self.rule(sample, measured)
        asked = self.judge
        return await verdict_beside(
            measured,
            lambda critique: self.rule(sample, critique),
            asked.key_frame_axes,
            lambda: asked.judge_key_frame(sample, candidate),
            asked.score_rejected,
        )


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
