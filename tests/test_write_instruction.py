"""What the tool makes of what a writer proposes: repeats are refused by memory, and every refused text is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from memory.instructions import InstructionMemory
from memory.sample import Instruction, Sample
from tests.fakes import FakeEmbedder
from tools.result import ToolError, ToolResult
from tools.write_instruction import SHOWN, TRIES, Propose, Refused, write_instruction


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstructionMemory]:
    memory = InstructionMemory(tmp_path / "memory", FakeEmbedder(), 0.95)
    yield memory
    memory.close()


def instruction(text: str) -> Instruction:
    return Instruction(text=text, edit_type="weather", scope="global")


def proposing(*proposed: Instruction | Refused) -> Propose:
    async def propose(sample: Sample, edit_type: str, wish: str) -> AsyncIterator[Instruction | Refused]:
        for each in proposed:
            yield each

    return propose


async def written(memory: InstructionMemory, *proposed: Instruction | Refused) -> ToolResult:
    tool = write_instruction(proposing(*proposed), memory, "a-writer")
    result: ToolResult = await tool.ainvoke({"sample": Sample(id="s", seed=1), "edit_type": "weather"})
    return result


async def test_refused_texts_and_repeats_are_told_beside_what_was_taken(memory: InstructionMemory) -> None:
    await memory.reserve("earlier", instruction("Let it rain"))
    refused = Refused(text="Rain falls", problem="no order")
    result = await written(memory, refused, instruction("Let it rain"), instruction("Let it snow hard"))
    assert result.changes == {"instruction": instruction("Let it snow hard")}
    assert result.note.startswith("'Let it snow hard'; nearest earlier ")
    assert result.note.endswith("2 refused; 'Rain falls': no order; 'Let it rain': repeats 'Let it rain'")
    assert result.model == "a-writer"


async def test_where_nothing_is_left_the_planner_reads_why(memory: InstructionMemory) -> None:
    with pytest.raises(ToolError, match=r"'weather'.*1 refused; 'Rain falls': no order; choose another edit type"):
        await written(memory, Refused(text="Rain falls", problem="no order"))
    with pytest.raises(ToolError, match="every edit of this type"):
        await written(memory)


async def test_writer_without_end_is_stopped_and_its_texts_are_told_in_a_bounded_line(
    memory: InstructionMemory,
) -> None:
    refused = [Refused(text=f"Rain {number}", problem="no order") for number in range(3 * TRIES)]
    with pytest.raises(ToolError, match=f"{TRIES} refused;.*; and {TRIES - SHOWN} more; choose") as raised:
        await written(memory, *refused)
    assert len(str(raised.value)) < 500
