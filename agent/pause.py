"""The order that people leave in the ledger to pause a campaign or let it go on, and how it stands with its sessions.

Paused: samples under way end the step that they are at and wait there; no sample, no look at files and no training is
begun. A training under way goes on, so do conversations, and the time that --max-hours gives keeps running. Only the
end of that time, a disk that is nearly full or Ctrl-C end a paused session; the next session begins unpaused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from memory.ledger import Ledger
from memory.owner import holder
from memory.sessions import CampaignSession

Action = Literal["pause", "resume"]
KINDS: tuple[Action, ...] = ("pause", "resume")
Standing = Literal["running", "paused", "stopping", "ended", "killed"]


class NobodyRuns(RuntimeError):
    """There is no campaign that could be paused or resumed; the message says what goes on with the run."""


class PauseOrder(BaseModel):
    """One order, as the ledger keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Action


def standing(session: CampaignSession, run: Path) -> Standing:
    """How it stands with a session now: one whose process is gone without a word was killed."""
    if session.ended_at:
        return "ended"
    return session.state if holder(run) == session.holder else "killed"


def order_pause(run: Path, ledger: Ledger, action: Action) -> int:
    """Leave the order for the campaign that runs; returns its number.

    Raises:
        NobodyRuns: no campaign runs now.
        LedgerError: the disk is full.
    """
    last = ledger.sessions.last()
    if last is None or standing(last, run) in ("ended", "killed"):
        raise NobodyRuns(f"nobody runs this campaign now; the command that goes on with it is: {command_of(last, run)}")
    return ledger.add_command(PauseOrder(kind=action).model_dump())


def command_of(session: CampaignSession | None, run: Path) -> str:
    """The command that resumes a run: that of a session, if it was kept."""
    return session.command if session and session.command else f"python -m agent.run --target N --out {run}"
