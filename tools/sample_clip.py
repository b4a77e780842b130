"""sample_clip: draws a clip from the table and stores its window at the run's size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models import video
from ditto_models.base import Frames
from ditto_models.executors.base import Executor
from memory.sample import Clip, Provenance, Sample
from tools.clip_table import ClipTable
from tools.media import Media
from tools.result import PoisonInput, ToolResult


def sample_clip(table: ClipTable, media: Media, executor: Executor, provenance: Callable[[], Provenance]) -> BaseTool:
    """The tool over a clip table; it also records what is about to make the sample."""

    def cut(clip: Clip) -> str:
        try:
            frames = _window(clip)
        except video.VideoError as error:
            table.retire(clip.clip_id)
            raise PoisonInput(str(error), {"clip": clip.model_dump(mode="json")}) from error
        return media.put_frames(frames, clip.fps)

    @tool
    async def sample_clip(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Take the next source clip: the one that was used least."""
        clip = table.draw()
        drawn = clip.model_copy(update={"video": (await executor.run(cut, clip)).value})
        note = f"{clip.frames} frames of {clip.width}x{clip.height} from {clip.start_seconds:.2f} s of {clip.uri}"
        return ToolResult(changes={"clip": drawn, "provenance": provenance()}, note=note)

    return sample_clip


def _window(clip: Clip) -> Frames:
    window = video.read_window(clip.uri, clip.start_seconds, clip.end_seconds, clip.frames, clip.width, clip.height)
    if len(window.frames) != clip.frames:
        raise video.VideoError(
            f"{clip.uri!r} gave {len(window.frames)} frames from {clip.start_seconds:.2f} s, "
            f"expected {clip.frames}; the file may be damaged or has changed since it was ingested"
        )
    return window.frames
