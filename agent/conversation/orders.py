"""A person's moves as orders in the ledger, which the run's owner carries out; anybody may leave one."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.conversation.moves import Move, moved
from memory.ledger import Ledger
from memory.sample import Sample

KIND = "talk"
ID = r"^talk-[0-9a-f]{12}$"


class TalkOrder(BaseModel):
    """One move in one conversation, as the ledger keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["talk"] = "talk"
    sample: Annotated[str, Field(pattern=ID)]
    move: Move


def new_id() -> str:
    """Of a conversation that is about to begin: chosen by who begins it, so that they can watch for it."""
    return f"talk-{secrets.token_hex(6)}"


def new_conversation(sample_id: str) -> Sample:
    """The conversation before anything was said."""
    digest = hashlib.sha256(sample_id.encode()).digest()
    return Sample(id=sample_id, seed=int.from_bytes(digest[:4]) >> 1, conversation=True)


def send(ledger: Ledger, sample_id: str, move: Move) -> int:
    """Leave a move for the run's owner; returns the order's number, by which `Ledger.command` tells what came of it.

    Raises:
        MoveError: it cannot be made as the conversation stands now.
        LedgerError: the disk is full.
    """
    row = ledger.row(sample_id)
    moved(row.sample if row else new_conversation(sample_id), move)
    return ledger.add_command(TalkOrder(sample=sample_id, move=move).model_dump(mode="json"))
