"""From a model's votes on an axis to its score, and what the instruction axis takes from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from memory.sample import Score
from tools.ask import Unreadable
from tools.captioner import one_line
from tools.critic.axes import INSTRUCTION, SECONDARY

LEAST, MOST = 1, 10


class Vote(BaseModel):
    """One answer. The reason comes first, so that the number follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(max_length=240)
    score: int = Field(ge=LEAST, le=MOST)


def score_of(votes: Sequence[Vote | Unreadable]) -> Score:
    """The mean vote as 0..1; None where one vote could not be read.

    The mean and not the median: the videos change places between votes, and what a model gives to the first place comes
    off again only in a mean (wholly so with an even number of votes).
    """
    for vote in votes:
        if isinstance(vote, Unreadable):
            return Score(value=None, reason=f"a vote could not be read: {one_line(vote.problem)}")
    read = [vote for vote in votes if isinstance(vote, Vote)]
    mean = sum(vote.score for vote in read) / len(read)
    nearest = min(read, key=lambda vote: abs(vote.score - mean))
    numbers = ", ".join(str(vote.score) for vote in read)
    told = f"{'votes' if len(read) > 1 else 'vote'} {numbers}: {one_line(nearest.reason)}"
    return Score(value=(mean - LEAST) / (MOST - LEAST), reason=told)


def capped(scores: Mapping[str, Score]) -> dict[str, Score]:
    """The scores with the secondary axes at no more than the instruction axis, as in OpenVE-Bench.

    Without it, a video that was left as it was would be the best at preserving its source.
    """
    cap = scores[INSTRUCTION].value if INSTRUCTION in scores else None
    return {axis: _capped(score, cap) if axis in SECONDARY else score for axis, score in scores.items()}


def _capped(score: Score, cap: float | None) -> Score:
    if cap is None or score.value is None or score.value <= cap:
        return score
    return Score(value=cap, reason=f"no more than {INSTRUCTION}; of its own {score.value:.2f}, {score.reason}")
