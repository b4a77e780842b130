"""One row of a list of pairs, read and measured: whatever is wrong with it is its outcome, and the other rows go on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import cv2
import numpy as np

from agent.command import CommandError
from agent.context import build_pair_critic
from agent.judge.judged import Judged, Sheet
from agent.judge.pair_files import read_pair
from agent.judge.pair_judge import ShowPair, build_show_pair
from agent.judge.pair_list import ListedPair
from agent.judge.pair_verdict import impossible, verdict_on
from agent.plain import plain
from agent.policy import PolicyConfig
from agent.profile import Profile
from ditto_models.base import Frame, Frames
from ditto_models.executors.isolated import progress
from memory.sample import Critique
from tools.critic.model_judge import Shown
from tools.critic.of_pair import Pair, PairCritic

COLUMNS = 4
THUMBNAIL = 240
"""Pixels of the longer side."""
JPEG_QUALITY = 82
OF_THE_FILES = (CommandError, OSError, ValueError, ArithmeticError, IndexError, MemoryError, cv2.error, av.FFmpegError)
"""What odd files and odd pixels raise, here and in the libraries below; anything else is a fault of ours."""


@dataclass(frozen=True, kw_only=True)
class MeasuredRow:
    """A row that was read and measured, and as what a model may be shown it."""

    row: ListedPair
    critique: Critique
    not_needed: frozenset[str]
    """The axes that this pair cannot be judged on."""
    shown: Shown | None
    sheet: Sheet | None


def measure_row_alone(row: ListedPair, profile_json: str, with_sheet: bool) -> MeasuredRow | Judged:
    """As `measure_row`, in a worker process, which keeps its critic from row to row.

    Raises:
        AssetError: a bundled weight cannot be had.
    """
    profile, critic, show = _prepared(profile_json)
    return measure_row(row, critic, show, profile, with_sheet)


@lru_cache(maxsize=1)
def _prepared(profile_json: str) -> tuple[Profile, PairCritic, ShowPair | None]:
    profile = Profile.model_validate_json(profile_json)
    return profile, build_pair_critic(profile), build_show_pair(profile)


def measure_row(
    row: ListedPair, critic: PairCritic, show: ShowPair | None, profile: Profile, with_sheet: bool
) -> MeasuredRow | Judged:
    """Read and measure one row; what cannot be read is judged with that."""
    if row.files is None:
        return unreadable(row, row.problem)
    try:
        pair = read_pair(row.files, profile.clips)
        progress()
        return MeasuredRow(
            row=row,
            critique=critic.judge(pair),
            not_needed=impossible(pair),
            shown=show(pair) if show else None,
            sheet=_sheet(pair) if with_sheet else None,
        )
    except OF_THE_FILES as error:
        return unreadable(row, str(error) or type(error).__name__)


def judged_row(measured: MeasuredRow, said: Critique | None, policy: PolicyConfig) -> Judged:
    """The outcome of a row, of what was measured and what a model said beside it."""
    row, verdict = measured.row, verdict_on(measured.critique, policy, measured.not_needed, said)
    return Judged(
        id=row.id,
        source=row.source,
        edited=row.edited,
        instruction=row.instruction,
        decision=verdict.decision,
        reasons=verdict.reasons,
        scores=verdict.scores,
        sheet=measured.sheet,
    )


def unreadable(row: ListedPair, problem: str) -> Judged:
    """The outcome of a row that could not be judged."""
    told = " ".join(plain(problem).split())
    return Judged(
        id=row.id,
        source=row.source,
        edited=row.edited,
        instruction=row.instruction,
        decision="unreadable",
        reasons=[told],
    )


def _sheet(pair: Pair) -> Sheet:
    return Sheet(source=thumbnails(pair.source), edited=thumbnails(pair.edited))


def thumbnails(frames: Frames) -> list[bytes]:
    """A few frames of THWC uint8 RGB, spread over it, each a small JPEG."""
    places = np.unique(np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int))
    return [_jpeg(frames[place]) for place in places]


def _jpeg(frame: Frame) -> bytes:
    height, width = frame.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    whole, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    if not whole:
        raise ValueError(f"a frame of shape {frame.shape} cannot be written as JPEG; expected HWC uint8")
    return data.tobytes()
