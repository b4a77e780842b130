"""The sessions of a run as people and scripts see them: which is running or paused now, and how each ended."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue
from rich.console import Console

from agent.pause import standing
from agent.plain import plain
from memory.ledger import Ledger
from memory.sessions import CampaignSession


def sessions_json(ledger: Ledger, run: Path) -> dict[str, JsonValue]:
    """Every session with how it stands with it now."""
    sessions = ledger.sessions.all()
    return {"sessions": [one.model_dump(mode="json") | {"standing": standing(one, run)} for one in sessions]}


def print_sessions(ledger: Ledger, run: Path, console: Console) -> None:
    """A line for the newest session; nothing of a ledger that has none."""
    last = ledger.sessions.last()
    if last:
        console.print(told(last, run), markup=False, highlight=False, soft_wrap=True)


def told(session: CampaignSession, run: Path) -> str:
    """How it stands with a session, in a few words."""
    now = standing(session, run)
    if now == "ended":
        return plain(f"session {session.number} has ended: {session.outcome}")
    if now == "killed":
        return f"session {session.number} was killed; the same command of agent.run resumes"
    return f"session {session.number} is {now}, {session.holder}"
