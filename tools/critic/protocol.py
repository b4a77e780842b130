"""What the critique tools ask of a critic that measures, and of a judge that is a model beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from memory.sample import Critique, Diagnosis, Sample, Verdict
from tools.ask import Unreadable


class Critic(Protocol):
    """Judges samples; where it cannot judge an axis, its score says so and why."""

    name: str

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of one candidate (an artifact) of the edited key frame."""
        ...

    def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        ...


class Judge(Protocol):
    """The same on axes of its own, by asking a model; its questions wait in the event loop."""

    @property
    def name(self) -> str:
        """For the trace."""
        ...

    @property
    def score_rejected(self) -> bool:
        """Whether it is asked where measured axes reject already."""
        ...

    @property
    def key_frame_axes(self) -> Sequence[str]:
        """The axes on which it judges a key frame."""
        ...

    @property
    def video_axes(self) -> Sequence[str]:
        """The axes on which it judges a video."""
        ...

    async def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of one candidate (an artifact) of the edited key frame."""
        ...

    async def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        ...

    async def diagnose(self, sample: Sample, verdict: Verdict, failed: Sequence[str]) -> Diagnosis | Unreadable | None:
        """What to mend of a rejected video, or why it cannot say; None where it is not to be asked."""
        ...
