"""preview_edits: the edited key frame of every proposal that has none yet, judged, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.executors.base import Timed
from memory.sample import Proposal, Sample
from memory.talk import Said
from tools.key_frame_judging import KeyFrameJudging
from tools.key_frame_maker import KeyFrameMaker
from tools.result import ToolError, ToolResult, cost
from tools.together import together

MOST_SAID = 160
"""Characters of why a preview could not be made."""


@dataclass(frozen=True, kw_only=True)
class _Preview:
    proposal: Proposal
    work: tuple[Timed[object], ...]


def preview_edits(
    maker: KeyFrameMaker, judging: KeyFrameJudging, is_of_one: Callable[[Exception], bool] = lambda error: True
) -> BaseTool:
    """The tool over what makes and judges key frames; `is_of_one` tells errors of one preview from those of the run."""

    async def preview(sample: Sample, proposal: Proposal) -> _Preview:
        work: list[Timed[object]] = []
        of = sample.model_copy(
            update={"instruction": proposal.instruction, "key_frame": None, "edit": None, "verdict": None}
        )
        try:
            made = await maker.make(of, _frame(sample), [proposal.strength], _seed(sample, proposal))
            work.append(Timed(value=None, seconds=made.seconds, gpu_seconds=made.gpu_seconds, notes=made.notes))
            judged = await judging.of(of.model_copy(update={"key_frame": made.value}))
        except Exception as error:
            if not is_of_one(error):
                raise
            return _Preview(proposal=proposal.model_copy(update={"problem": _said(error)}), work=tuple(work))
        work.append(Timed(value=None, seconds=judged.seconds, gpu_seconds=judged.gpu_seconds, notes=judged.notes))
        shown = {"key_frame": judged.value.key_frame, "verdict": judged.value.verdict}
        return _Preview(proposal=proposal.model_copy(update=shown), work=tuple(work))

    @tool
    async def preview_edits(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Show the person what is proposed: an edited frame of the clip for each proposal."""
        waiting = [each for each in sample.proposals if each.key_frame is None]
        made = await together(preview(sample, proposal) for proposal in waiting)
        by_number = {each.proposal.number: each.proposal for each in made}
        proposals = [by_number.get(each.number, each) for each in sample.proposals]
        lost = [each for each in by_number.values() if each.problem]
        talk = {"talk": [*sample.talk, Said(by="agent", words=_told(lost, len(proposals)))]} if lost else {}
        return ToolResult(
            changes={"proposals": proposals, **talk},
            note="; ".join(f"{each.proposal.number}: {_note(each)}" for each in made),
            model=f"{maker.editor.name}, {judging.name}",
            **cost(*(work for each in made for work in each.work)),
        )

    return preview_edits


def _frame(sample: Sample) -> int:
    assert sample.clip is not None
    chosen, frames = sample.key_frame_index, sample.clip.frames
    if chosen is not None and chosen >= frames:  # it was chosen before the clip was looked at
        raise ToolError(f"there is no frame {chosen}; the clip has frames 0 to {frames - 1}")
    return frames // 2 if chosen is None else chosen


def _seed(sample: Sample, proposal: Proposal) -> int:
    """The same for every look, so that chance turns no stronger one into a weaker one; words get another each time."""
    return sample.seed if proposal.instruction.look else sample.seed + 100 * sample.attempts.get("preview_edits", 0)


def _said(error: Exception) -> str:
    said = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
    line = " ".join(said.split())
    return line if len(line) <= MOST_SAID else f"{line[: MOST_SAID - 3]}..."


def _told(lost: list[Proposal], offered: int) -> str:
    which = " ".join(f"{each.number}: {each.problem}." for each in lost)
    if len(lost) == offered:
        return f"I could not show this. {which} Another frame may do, or say it otherwise."
    return f"I could not show all of them. {which}"


def _note(preview: _Preview) -> str:
    return preview.proposal.problem or "; ".join(note for work in preview.work for note in work.notes)
