"""write_instruction: words for an edit of the chosen type, unlike any instruction before, reserved in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from memory.instructions import DuplicateInstruction, InstructionMemory, Neighbour
from memory.sample import Instruction, Sample
from tools.result import ToolError, ToolResult

TRIES = 200
"""Instructions of a writer that are looked at, good and bad."""
SHOWN = 8
"""Refused texts that are told one by one."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A text that a writer does not stand by itself, and why; empty where there is not even a text."""

    text: str
    problem: str

    def __str__(self) -> str:
        return f"{self.text!r}: {self.problem}" if self.text else self.problem


Propose = Callable[[Sample, str, str], AsyncIterator[Instruction | Refused]]
"""Sample, edit type and wish to instructions that the editor can carry out, best first. A writer that is asked for
another one learns from it that its last was a repeat."""


def write_instruction(
    propose: Propose, memory: InstructionMemory, writer: str, wanted: Callable[[str], str] = lambda edit_type: ""
) -> BaseTool:
    """The tool over a writer, named for the trace, and the instruction memory; `wanted` says for the trace why an edit
    type is asked for more or less often than others, or nothing."""

    async def reserve(sample: Sample, edit_type: str, wish: str) -> tuple[Instruction, str]:
        refused: list[Refused] = []
        async for proposed in propose(sample, edit_type, wish):
            if isinstance(proposed, Refused):
                refused.append(proposed)
            else:
                try:
                    near = await memory.reserve(sample.id, proposed)
                except DuplicateInstruction as repeat:
                    refused.append(Refused(text=proposed.text, problem=f"repeats {repeat.neighbour.text!r}"))
                else:
                    return proposed, _note(proposed, near, refused, wanted(edit_type))
            if len(refused) >= TRIES:
                break
        told = _told(refused) or ["the clip has every edit of this type that it can have"]
        raise ToolError(
            f"no instruction of type {edit_type!r} for this clip: {'; '.join(told)}; choose another edit type or reject"
        )

    @tool(parse_docstring=True)
    async def write_instruction(
        sample: Annotated[Sample, InjectedToolArg],
        edit_type: Annotated[str, Field(max_length=40)],
        wish: Annotated[str, Field(max_length=200)] = "",
    ) -> ToolResult:
        """Write the edit instruction for this clip, or write it anew if it turned out not to work.

        Args:
            edit_type: the kind of edit, one of those offered; the first was used least
            wish: what to aim for in a few words, or empty
        """
        instruction, note = await reserve(sample, edit_type, wish)
        return ToolResult(changes={"instruction": instruction}, note=note, model=writer)

    return write_instruction


def _note(instruction: Instruction, near: Neighbour | None, refused: Sequence[Refused], wanted: str) -> str:
    nearest = f"nearest earlier {near.similarity:.2f} {near.text!r}" if near else "the first of its type"
    return "; ".join([repr(instruction.text), nearest, *([wanted] if wanted else []), *_told(refused)])


def _told(refused: Sequence[Refused]) -> list[str]:
    """How many texts were refused, and the first of them with their reasons."""
    if not refused:
        return []
    more = [f"and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
    return [f"{len(refused)} refused", *map(str, refused[:SHOWN]), *more]
