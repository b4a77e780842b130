"""generate_video: carries the edited key frame through the whole clip."""

from __future__ import annotations

from typing import Annotated, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, tool
from pydantic import Field

from ditto_models.base import EditRequest, KeyFramedClip, VideoGenerator
from ditto_models.executors.base import Executor
from memory.sample import Edit, Sample
from tools.media import Media
from tools.requests import edit_request, masks_of, parts
from tools.result import ToolResult, cost, noted


def generate_video(generator: VideoGenerator, media: Media, executor: Executor, runner: Executor) -> BaseTool:
    """The tool over a generator, which runs on `runner`; pixels are read and stored on `executor`."""

    def gather(sample: Sample, strength: float) -> tuple[KeyFramedClip, EditRequest]:
        clip, description, instruction = parts(sample)
        if sample.key_frame is None:
            raise ValueError(f"sample {sample.id!r} has no edited key frame to generate from")
        seed = sample.seed + sample.attempts.get("generate_video", 0)
        edited = KeyFramedClip(
            source=media.frames(clip.video),
            masks=media.masks(masks_of(sample)),
            key_index=sample.key_frame.index,
            key_edited=media.image(sample.key_frame.chosen),
        )
        return edited, edit_request(description, instruction, strength, seed)

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
        given = await executor.run(gather, sample, strength)
        made = await runner.run(generator.generate, *given.value, route)
        clip, _, _ = parts(sample)
        video = await executor.run(media.put_frames, made.value, clip.fps)
        return ToolResult(
            changes={"edit": Edit(video=video.value, route=route, strength=strength)},
            note=noted(f"route {route}, strength {strength:.2f}", made),
            model=generator.name,
            **cost(made),
        )

    return generate_video
