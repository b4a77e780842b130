"""The judge by a model over samples: pictures read and prepared off the event loop, then judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ditto_models.executors.base import Executor
from memory.sample import Critique, Diagnosis, Edit, KeyFrame, Sample, Verdict
from tools.ask import Part, Unreadable
from tools.critic.axes import ModelAxis
from tools.critic.model_diagnosis import diagnosis
from tools.critic.model_judge import ModelJudge, Shown
from tools.media import Media
from tools.requests import parts


@dataclass(frozen=True, kw_only=True)
class ModelSampleJudge:
    """Implements tools.critic.protocol.Judge."""

    judge: ModelJudge
    media: Media
    executor: Executor
    key_frame_axes: Sequence[ModelAxis]
    video_axes: Sequence[ModelAxis]
    is_of_server: Callable[[BaseException], bool]
    """Whether an error of the chat model is the server's: then a verdict stands without the model's diagnosis."""

    @property
    def name(self) -> str:
        """For the trace."""
        return self.judge.name

    @property
    def score_rejected(self) -> bool:
        """Whether it is asked where measured axes reject already."""
        return self.judge.config.score_rejected

    async def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of one candidate (an artifact) of the edited key frame."""
        instruction, key_frame = parts(sample)[2], _key_frame(sample)

        def look() -> Shown:
            return self.judge.still(self.media.image(key_frame.source), self.media.image(candidate))

        shown = (await self.executor.run(look)).value
        return await self.judge.judge(shown, instruction.text, sample.seed, self.key_frame_axes)

    async def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        clip, _, instruction = parts(sample)
        edit = _edit(sample)

        def look() -> Shown:
            return self.judge.clip(self.media.frames(clip.video), self.media.frames(edit.video), clip.fps)

        shown = (await self.executor.run(look)).value
        return await self.judge.judge(shown, instruction.text, sample.seed, self.video_axes)

    async def diagnose(self, sample: Sample, verdict: Verdict, failed: Sequence[str]) -> Diagnosis | Unreadable | None:
        """What to mend of the edited video, or why the model cannot say; None where it is not to be asked."""
        if not self.judge.config.diagnose:
            return None
        pictures = (await self.executor.run(self._pictures, sample)).value
        text, tried = parts(sample)[2].text, sample.diagnoses
        try:
            return await diagnosis(self.judge.chat, pictures, text, verdict, failed, tried, sample.seed)
        except Exception as error:
            if not self.is_of_server(error):
                raise
            return Unreadable(problem=f"{type(error).__name__}: {error}")

    def _pictures(self, sample: Sample) -> list[tuple[str, Sequence[Part]]]:
        clip, edited = parts(sample)[0], self.media.frames(_edit(sample).video)
        shown = self.judge.clip(self.media.frames(clip.video), edited, clip.fps)
        key_frame = self.judge.show_still(self.media.image(_key_frame(sample).chosen))
        return [("source video", shown.source), ("edited key frame", [key_frame]), ("edited video", shown.edited)]


def _key_frame(sample: Sample) -> KeyFrame:
    if sample.key_frame is None:
        raise ValueError(f"sample {sample.id!r} has no key frame to judge")
    return sample.key_frame


def _edit(sample: Sample) -> Edit:
    if sample.edit is None:
        raise ValueError(f"sample {sample.id!r} has no edited video to judge")
    return sample.edit
