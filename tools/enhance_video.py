"""enhance_video: steadies and cleans an edited video without changing the edit."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.base import Noise, VideoEnhancer
from ditto_models.executors.base import Executor
from memory.sample import Edit, Sample
from tools.media import Media
from tools.requests import parts
from tools.result import ToolResult


def enhance_video(enhancer: VideoEnhancer, media: Media, executor: Executor) -> BaseTool:
    """The tool over an enhancer."""

    def enhance(sample: Sample, noise: Noise) -> Edit:
        clip, _, _ = parts(sample)
        if sample.edit is None:
            raise ValueError(f"sample {sample.id!r} has no edited video to enhance")
        source, edited = media.frames(clip.video), media.frames(sample.edit.video)
        enhanced = enhancer.enhance(source, edited, noise, sample.seed)
        return sample.edit.model_copy(update={"video": media.put_frames(enhanced, clip.fps), "enhanced": True})

    @tool(parse_docstring=True)
    async def enhance_video(sample: Annotated[Sample, InjectedToolArg], noise: Noise = "low") -> ToolResult:
        """Steady the edited video and clean it of small artifacts; at most once.

        Args:
            noise: how far the result may stray from the video as it is
        """
        made = await executor.run(enhance, sample, noise)
        return ToolResult(
            changes={"edit": made.value}, note=f"noise {noise}", model=enhancer.name, model_seconds=made.seconds
        )

    return enhance_video
