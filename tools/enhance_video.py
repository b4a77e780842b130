"""enhance_video: steadies and cleans an edited video without changing the edit."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models.base import Frames, Noise, VideoEnhancer
from ditto_models.executors.base import Executor
from ditto_models.gpu.vace_controls import composed, region_of
from memory.sample import Sample
from tools.media import Media
from tools.requests import masks_of, parts
from tools.result import ToolResult, cost, noted

FEATHER_PIXELS = 4
"""Over which an enhanced region runs into its source, as generators have it."""


def enhance_video(enhancer: VideoEnhancer, media: Media, executor: Executor, runner: Executor) -> BaseTool:
    """The tool over an enhancer, which runs on `runner`; pixels are read and stored on `executor`."""

    def lay_back(sample: Sample, source: Frames, enhanced: Frames) -> Frames:
        """An enhancer redraws the whole picture; where an edit kept to a mask, the source stays outside."""
        if sample.edit is None or sample.edit.route != "mask" or not (sample.key_frame and sample.key_frame.masks):
            return enhanced
        return composed(source, enhanced, region_of(media.masks(masks_of(sample))), FEATHER_PIXELS)

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
        laid = await executor.run(lay_back, sample, source.value, made.value)
        video = await executor.run(media.put_frames, laid.value, clip.fps)
        return ToolResult(
            changes={"edit": sample.edit.model_copy(update={"video": video.value, "enhanced": True})},
            note=noted(f"noise {noise}", made),
            model=enhancer.name,
            **cost(made),
        )

    return enhance_video
