"""What the critique tools ask of a critic, measured or a model: scores for what a sample has so far."""

from __future__ import annotations

from typing import Protocol

from memory.sample import Critique, Sample


class Critic(Protocol):
    """Judges samples; where it cannot judge an axis, its score says so and why."""

    name: str

    def judge_key_frame(self, sample: Sample, candidate: str) -> Critique:
        """Scores of one candidate (an artifact) of the edited key frame."""
        ...

    def judge_video(self, sample: Sample) -> Critique:
        """Scores of the edited video."""
        ...
