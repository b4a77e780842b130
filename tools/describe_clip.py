"""describe_clip: finds the subject of the clip, measures what is in it and says so in a sentence."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.base import ClipDescriber, SubjectMasker
from ditto_models.executors.base import Executor
from memory.sample import Description, Sample
from tools.media import Media
from tools.result import ToolResult


def describe_clip(describer: ClipDescriber, masker: SubjectMasker, media: Media, executor: Executor) -> BaseTool:
    """The tool over a describer and a masker."""

    def describe(reference: str) -> Description:
        frames = media.frames(reference)
        masks = masker.mask(frames)
        seen = describer.describe(frames, masks)
        return Description(caption=seen.caption, facts=dict(seen.facts), masks=media.put_masks(masks))

    @tool
    async def describe_clip(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Look at the clip: a caption, measured facts, and a mask of the main subject."""
        assert sample.clip is not None
        seen = await executor.run(describe, sample.clip.video)
        return ToolResult(
            changes={"description": seen.value},
            note=seen.value.caption,
            model=f"{describer.name}, {masker.name}",
            model_seconds=seen.seconds,
        )

    return describe_clip
