"""The clip that a person gives to a conversation: what may be given at all."""

from __future__ import annotations

from pathlib import Path

from agent.conversation.moves import MoveError
from agent.conversation.uploads import FOLDER
from memory.ledger import Ledger
from memory.talk import Given


def upload_path(run: Path, name: str) -> Path:
    """Where a person's file of this name lies in a run."""
    return run / FOLDER / name


def check_given(run: Path, ledger: Ledger, given: Given) -> None:
    """Refuse a clip that is not there.

    Raises:
        MoveError: the run has no clip of this number, or no such upload.
    """
    if given.upload and not upload_path(run, given.upload).is_file():
        raise MoveError(f"the file {given.upload!r} is not among the run's uploads; upload it again")
    if given.clip_number is not None and not ledger.sources.has(given.clip_number):
        raise MoveError(f"this run has no clip number {given.clip_number}; choose one of its clips")
