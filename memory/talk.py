"""What a person brings to a conversation, and what is said in it."""

from __future__ import annotations

from typing import Literal

from memory.noun import Noun


class Given(Noun):
    """The clip that a person gave to a conversation: one of the run's own, or a file of theirs."""

    clip_number: int | None = None
    """Of the clip table."""
    upload: str = ""
    """The file's name in RUN/uploads."""
    start_seconds: float = 0.0
    """The window of their file that holds this moment is taken."""


class Said(Noun):
    """Words in a conversation."""

    by: Literal["person", "agent"]
    words: str
