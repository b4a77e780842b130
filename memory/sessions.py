"""The ledger's table of sessions: when a campaign ran, what it was asked for, and how it ended."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from memory.group_commit import now
from memory.ledger_table import LedgerTable
from memory.noun import Noun

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (number INTEGER PRIMARY KEY, payload TEXT NOT NULL);
"""
SessionState = Literal["running", "paused", "stopping", "ended"]


class CampaignSession(Noun):
    """One time that a campaign ran, from its command to its end."""

    number: int = 0
    """From 1; 0 until it is begun in the ledger."""
    began_at: str = Field(default_factory=now)
    ended_at: str = ""
    """Empty while it runs, and for ever where it was killed."""
    state: SessionState = "running"
    outcome: str = ""
    """What ended it, in the campaign's words; of an error its first line."""
    target: int
    """Accepted pairs in the run, those of earlier sessions included."""
    concurrency: int
    max_candidates: int | None = None
    gpu_hours: float | None = None
    wall_hours: float | None = None
    first_sample: int
    """The number that the first sample it begins would have."""
    accepted_before: int
    """Accepted pairs in the run when it began."""
    paused_at: str = ""
    """Since when it is paused; empty where it is not."""
    paused_seconds: float = 0.0
    """Of pauses that are over."""
    pid: int
    host: str
    profile: str
    config_hash: str
    code_version: str
    command: str = ""
    """That it was begun with, for people; empty where it is not known."""

    @property
    def holder(self) -> str:
        """How the lock of a run names the process."""
        return f"pid {self.pid} on {self.host}"


class SessionTable(LedgerTable):
    """The sessions; only a campaign that owns the run writes."""

    def begin(self, session: CampaignSession) -> CampaignSession:
        """Keep a new session; returns it numbered.

        Raises:
            LedgerError: the disk is full or the file is damaged.
        """
        with self._transaction() as connection:
            [(number,)] = connection.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM sessions").fetchall()
            begun = session.model_copy(update={"number": number})
            connection.execute("INSERT INTO sessions VALUES (?, ?)", (number, begun.model_dump_json()))
        return begun

    def put(self, session: CampaignSession) -> None:
        """Keep a session as it is now.

        Raises:
            LedgerError: as of `begin`; what was kept before stays.
        """
        with self._transaction() as connection:
            values = (session.model_dump_json(), session.number)
            connection.execute("UPDATE sessions SET payload = ? WHERE number = ?", values)

    def all(self) -> list[CampaignSession]:
        """Every session, oldest first; none of a ledger from before they were kept."""
        rows = self._known("sessions", "payload", "number")
        return [CampaignSession.model_validate_json(payload) for (payload,) in rows]

    def last(self) -> CampaignSession | None:
        """The newest session."""
        return next(reversed(self.all()), None)
