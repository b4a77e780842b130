"""propose_edits: answers the person's last words with edits to show, a question, or a plain no."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from memory.sample import Proposal, Sample
from memory.talk import Said
from tools.advisor import MOST_IDEAS, Advice, Advisor
from tools.result import ToolResult

GO_ON = "Choose one, or say what to change."
"""After an answer that shows edits and ends in a question: a "yes" is then to an edit, and to nothing else."""


def propose_edits(advisor: Advisor) -> BaseTool:
    """The tool over who answers."""

    @tool
    async def propose_edits(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Answer the person: offer up to three edits of the clip, ask what is meant, or say what cannot be done."""
        if sample.description is None:
            raise ValueError(f"sample {sample.id!r} was not described; an edit is proposed by what is in the clip")
        advice = await advisor.answer(sample)
        talk = [*sample.talk, Said(by="agent", words=_words(advice))]
        if not advice.ideas:
            return ToolResult(changes={"talk": talk}, note="no edit proposed", model=advisor.name)
        offered = _numbered(sample, advice)
        return ToolResult(
            changes={"talk": talk, "proposals": offered, "focus": 0},
            note="; ".join(f"{each.number}: {each.instruction.text!r} at {each.strength:.2f}" for each in offered),
            model=advisor.name,
        )

    return propose_edits


def _words(advice: Advice) -> str:
    words = advice.words.strip()
    return f"{words} {GO_ON}" if advice.ideas and words.endswith("?") else words


def _numbered(sample: Sample, advice: Advice) -> list[Proposal]:
    """The ideas under numbers that nothing in this conversation had: those on offer have the highest so far."""
    first = 1 + max((each.number for each in sample.proposals), default=0)
    return [
        Proposal(number=number, instruction=idea.instruction, strength=idea.strength, note=idea.note)
        for number, idea in enumerate(advice.ideas[:MOST_IDEAS], first)
    ]
