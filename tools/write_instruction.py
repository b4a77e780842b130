"""write_instruction: words for an edit of the chosen type, unlike any instruction before, reserved in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from memory.instructions import DuplicateInstruction, InstructionMemory
from memory.sample import Instruction, Sample
from tools.result import ToolError, ToolResult

Propose = Callable[[Sample, str, str], Iterator[Instruction]]
"""Sample, edit type and wish to instructions that the editor can carry out, best first."""
TRIES = 200


def write_instruction(propose: Propose, memory: InstructionMemory, writer: str) -> BaseTool:
    """The tool over a writer, named for the trace, and the instruction memory."""

    async def reserve(sample: Sample, edit_type: str, wish: str) -> tuple[Instruction, str]:
        refused = 0
        for instruction in islice(propose(sample, edit_type, wish), TRIES):
            try:
                near = await memory.reserve(sample.id, instruction)
            except DuplicateInstruction:
                refused += 1
                continue
            nearest = f"nearest earlier {near.similarity:.2f} {near.text!r}" if near else "the first of its type"
            return instruction, f"{instruction.text!r}; {nearest}; {refused} refused as repeats"
        raise ToolError(
            f"no instruction of type {edit_type!r} is left for this clip ({refused} were repeats); "
            "choose another edit type or reject"
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
