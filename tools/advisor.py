"""Who answers a person in a conversation: with edits to show, a question, or plain words of what cannot be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from memory.sample import Instruction, Sample

MOST_IDEAS = 3
"""Edits that are offered at a time."""
DEFAULT_STRENGTH = 0.8
LEAST_STRENGTH, MOST_STRENGTH = 0.3, 1.0


@dataclass(frozen=True, kw_only=True)
class Idea:
    """An edit to show the person."""

    instruction: Instruction
    strength: float = DEFAULT_STRENGTH
    """How far its key frame goes, from LEAST_STRENGTH to MOST_STRENGTH."""
    note: str = ""
    """What of the wish it does not do, for the person."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """An answer. Without ideas it is a question or a plain no, and what was on offer stays so."""

    words: str
    ideas: tuple[Idea, ...] = ()
    """At most MOST_IDEAS, each another edit; the likeliest first."""


class Advisor(Protocol):
    """Reads the talk so far, whose last words are the person's, and answers."""

    @property
    def name(self) -> str:
        """For the trace."""
        ...

    async def answer(self, sample: Sample) -> Advice:
        """The answer to the sample's wish.

        Raises:
            ToolError: there is none; the message says why.
        """
        ...
