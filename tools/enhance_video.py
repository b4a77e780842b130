"""enhance_video: steadies and cleans an edited video without changing the edit."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.base import Noise, VideoEnhancer
from ditto_models.executors.base import Executor
from memory.sample import Sample
from tools.media import Media
from tools.requests import parts
from tools.result import ToolResult, cost, noted


def enhance_video(enhancer: VideoEnhancer, media: Media, executor: Executor, runner: Executor) -> BaseTool:
    """The tool over an enhancer, which runs on `runner`; pixels are read and stored on `executor`."""

    @tool(parse_docstring=True)
    async def enhance_video(sample: Annotated[Sample, InjectedToolArg], noise: Noise = "low") -> ToolResult:
        """Steady the edited video and clean it of small artifacts; at most once.

        Args:
            noise: how far the result may stray from the video as it is
        """
        clip, _, _ = parts(sample)
        if sample.edit is None:
            raise ValueError(f"sample {sample.id!r} has no edited video to enhance")
        source = await executor.run(media.frames, clip.video)
        edited = await executor.run(media.frames, sample.edit.video)
        made = await runner.run(enhancer.enhance, source.value, edited.value, noise, sample.seed)
        video = await executor.run(media.put_frames, made.value, clip.fps)
        return ToolResult(
            changes={"edit": sample.edit.model_copy(update={"video": video.value, "enhanced": True})},
            note=noted(f"noise {noise}", made),
            model=enhancer.name,
            **cost(made),
        )

    return enhance_video
