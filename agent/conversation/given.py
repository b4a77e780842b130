"""The clip that a person gives to a conversation: what may be given at all."""

from __future__ import annotations

from pathlib import Path

from agent.conversation.moves import MoveError
from agent.conversation.uploads import UploadRefused, upload_path
from memory.ledger import Ledger
from memory.talk import Given


def check_given(run: Path, ledger: Ledger, given: Given) -> None:
    """Refuse a clip that is not there.

    Raises:
        MoveError: the run has no clip of this number, or no such upload.
    """
    try:
        if given.upload:
            upload_path(run, given.upload)
    except UploadRefused as error:
        raise MoveError(str(error)) from error
    if given.clip_number is not None and not ledger.sources.has(given.clip_number):
        raise MoveError(f"this run has no clip number {given.clip_number}; choose one of its clips")
