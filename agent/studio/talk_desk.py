"""The studio's side of conversations: which are there, how one stands, and the person's moves on their way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Path as FromPath
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from agent.conversation.client import Conversations, TalkStatus
from agent.conversation.moves import Move
from agent.conversation.orders import ID, KIND, TalkOrder, new_conversation
from agent.conversation.turns import turns
from agent.studio.runs import StudioRun
from agent.studio.talk_view import TalkView, quiet_status, talk_view
from memory.ledger import Row
from memory.sample import Sample

if TYPE_CHECKING:
    from agent.studio.app import Studio

TalkId = Annotated[str, FromPath(pattern=ID)]
"""In an address."""
PAGE = 24
"""Conversations, or clips, on a page."""
_NEWEST = (
    "number IN (SELECT number FROM samples WHERE id >= 'talk-' AND id < 'talk.' "
    "AND json_extract(payload, '$.conversation') ORDER BY number DESC LIMIT ? OFFSET ?)"
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A conversation as it stands."""

    sample: Sample
    status: TalkStatus
    view: TalkView


class TalkDesk:
    """Conversations of the runs that a studio shows."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._clients: dict[str, Conversations] = {}

    def talks_in(self, run: StudioRun) -> bool:
        """Whether people may talk in this run here: it is the studio's first, and orders are taken."""
        return not self._studio.read_only and run.key == next(iter(self._studio.runs))

    def client(self, run: StudioRun) -> Conversations:
        """What leaves moves in a run.

        Raises:
            HTTPException: 403, nobody may.
        """
        self._studio.check_writable()
        if not self.talks_in(run):
            raise HTTPException(403, f"conversations are held in run {next(iter(self._studio.runs))!r} only")
        if run.key not in self._clients:
            self._clients[run.key] = Conversations(run.folder, run.ledger)
        return self._clients[run.key]

    def newest(self, run: StudioRun, page: int) -> tuple[list[Row], bool]:
        """One page of conversations, the last begun first, and whether there are more."""
        rows = list(run.ledger.rows(_NEWEST, (PAGE + 1, PAGE * page)))[::-1]
        return rows[:PAGE], len(rows) > PAGE

    def standing(self, run: StudioRun, sample_id: str) -> Standing:
        """How a conversation stands; where the agent should be at work and nobody is, somebody is started.

        Raises:
            HTTPException: 404, there is none.
        """
        row = run.ledger.row(sample_id)
        pending = list(_pending(run, sample_id))
        if (row and not row.sample.conversation) or (row is None and run.ledger.last_command(sample_id) is None):
            raise HTTPException(404, f"there is no conversation {sample_id!r} in this run")
        sample = row.sample if row else new_conversation(sample_id)
        status = self.client(run).status(sample_id) if self.talks_in(run) else quiet_status(sample)
        events = run.ledger.events(sample_id)
        return Standing(sample=sample, status=status, view=talk_view(sample, turns(events), status, pending))


def _pending(run: StudioRun, sample_id: str) -> Iterator[Move]:
    for _, payload in run.ledger.open_commands():
        if payload.get("kind") == KIND and payload.get("sample") == sample_id:
            try:
                yield TalkOrder.model_validate(payload).move
            except ValidationError:
                continue  # the owner says what is wrong with it
