"""describe_clip: finds the subject of the clip, measures what is in it and says so; a captioner may say it better.

Facts are always measured: they decide which edits are offered, and no model can talk its way past them.
"""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.base import ClipDescriber, Frames, Masks, SubjectMasker
from ditto_models.executors.base import Executor
from memory.sample import Description, Sample
from tools.ask import Unreadable
from tools.captioner import Captioner
from tools.media import Media
from tools.result import ToolResult, cost, noted


def describe_clip(
    describer: ClipDescriber,
    masker: SubjectMasker,
    media: Media,
    executor: Executor,
    runner: Executor,
    captioner: Captioner | None = None,
) -> BaseTool:
    """The tool over a describer and a masker, which runs on `runner`.

    With a captioner, its caption stands in place of the measured one.
    """
    names = [describer.name, masker.name, *([captioner.name] if captioner else [])]

    def describe(frames: Frames, masks: Masks) -> Description:
        seen = describer.describe(frames, masks)
        return Description(caption=seen.caption, facts=dict(seen.facts), masks=media.put_masks(masks))

    async def captioned(sample: Sample, measured: str) -> tuple[str, str]:
        """The caption and the note for the trace."""
        if captioner is None:
            return measured, measured
        caption = await captioner.caption(sample)
        if isinstance(caption, Unreadable):
            return measured, f"{measured} (measured: {captioner.name} gave no caption, {caption.problem})"
        return caption, caption

    @tool
    async def describe_clip(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Look at the clip: a caption, measured facts, and a mask of the main subject."""
        assert sample.clip is not None
        frames = (await executor.run(media.frames, sample.clip.video)).value
        masks = await runner.run(masker.mask, frames)
        seen = await executor.run(describe, frames, masks.value)
        caption, note = await captioned(sample, seen.value.caption)
        return ToolResult(
            changes={"description": seen.value.model_copy(update={"caption": caption})},
            note=noted(note, masks),
            model=", ".join(names),
            **cost(masks, seen),
        )

    return describe_clip
