"""How far a campaign is, how fast it goes, and when it may be there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.pause import Standing
from memory.sessions import CampaignSession

LATELY_SECONDS = 30 * 60
"""Of the clock, over which the pace is taken; what lies further back says less about what is to come."""
LEAST_PAIRS = 2
"""Accepted in that time, below which no pace is told."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Of the newest session."""

    accepted: int
    target: int | None
    """None where the run is from before sessions were kept."""
    decided: int
    under_way: int
    standing: Standing | None
    pairs_an_hour: float | None
    """None where too few were accepted to say."""
    seconds_left: float | None
    """At that pace; None where there is none, or nothing runs."""
    worked_seconds: float | None
    """Of this session, pauses left out."""

    @property
    def share(self) -> float:
        """Of the target, 0..1."""
        return min(1.0, self.accepted / self.target) if self.target else 0.0


def progress_of(
    counts: Mapping[str, int],
    session: CampaignSession | None,
    standing: Standing | None,
    minutes: Sequence[tuple[str, int]],
    now: datetime,
) -> Progress:
    """The progress at `now` (UTC); `minutes`: when pairs were accepted since the session began.

    The pace is that of the last half hour, or of the session where that is shorter or had pauses.
    """
    accepted, pending = counts.get("accepted", 0), counts.get("pending", 0)
    worked = pace = left = None
    if session:
        end = datetime.fromisoformat(session.ended_at or session.paused_at) if _rests(session) else now
        worked = max(0.0, (end - datetime.fromisoformat(session.began_at)).total_seconds() - session.paused_seconds)
        pace = _pace(session, worked, minutes, end)
        if pace and standing == "running":
            left = max(0, session.target - accepted) / pace * 3600
    return Progress(
        accepted=accepted,
        target=session.target if session else None,
        decided=sum(counts.values()) - pending,
        under_way=pending,
        standing=standing,
        pairs_an_hour=pace,
        seconds_left=left,
        worked_seconds=worked if standing != "killed" else None,
    )


def _rests(session: CampaignSession) -> bool:
    return bool(session.ended_at or session.paused_at)


def _pace(session: CampaignSession, worked: float, minutes: Sequence[tuple[str, int]], end: datetime) -> float | None:
    whole = worked <= LATELY_SECONDS or session.paused_seconds > 0
    since = (end - timedelta(seconds=LATELY_SECONDS)).strftime("%Y-%m-%dT%H:%M")
    pairs = sum(some for minute, some in minutes if whole or minute >= since)
    seconds = worked if whole else LATELY_SECONDS
    return pairs / seconds * 3600 if pairs >= LEAST_PAIRS and seconds else None


def in_words(seconds: float | None) -> str:
    """A time for people, such as "2 h 5 min"."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours / 24:.1f} days"
