"""generate_video: carries the edited key frame through the whole clip."""

from __future__ import annotations

from typing import Annotated, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from ditto_models.base import Route, VideoGenerator
from ditto_models.executors.base import Executor
from memory.sample import Edit, Sample
from tools.media import Media
from tools.requests import edit_request, parts
from tools.result import ToolResult


def generate_video(generator: VideoGenerator, media: Media, executor: Executor) -> BaseTool:
    """The tool over a generator."""

    def generate(sample: Sample, route: Route, strength: float) -> Edit:
        clip, description, instruction = parts(sample)
        if sample.key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no edited key frame to generate from")
        edited = generator.generate(
            media.frames(clip.video),
            media.masks(description.masks),
            sample.key_frame.index,
            media.image(sample.key_frame.chosen),
            edit_request(instruction, strength, sample.seed + sample.attempts.get("generate_video", 0)),
            route,
        )
        return Edit(video=media.put_frames(edited, clip.fps), route=route, strength=strength)

    @tool(parse_docstring=True)
    async def generate_video(
        sample: Annotated[Sample, InjectedToolArg],
        route: Literal["structure", "mask"] = "structure",
        strength: Annotated[float, Field(ge=0.3, le=1.0)] = 1.0,
    ) -> ToolResult:
        """Make the edited video from the edited key frame that passed.

        Args:
            route: structure redraws the whole picture; mask changes one region and keeps the rest as it is
            strength: how closely to follow the key frame's detail, from 0.3 to 1
        """
        made = await executor.run(generate, sample, route, strength)
        note = f"route {route}, strength {strength:.2f}"
        return ToolResult(changes={"edit": made.value}, note=note, model=generator.name, model_seconds=made.seconds)

    return generate_video
