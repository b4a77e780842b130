"""sample_clip: draws a clip from the table and stores its window at the run's size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models import video
from ditto_models.executors.base import Executor, WorkerLost
from memory.artifacts import ArtifactStore
from memory.sample import Clip, Provenance, Sample
from tools.clip_table import ClipTable
from tools.result import PoisonInput, ToolResult


def sample_clip(
    table: ClipTable,
    is_there: Callable[[Clip], bool],
    artifacts: ArtifactStore,
    decoder: Executor,
    provenance: Callable[[], Provenance],
) -> BaseTool:
    """The tool over a clip table; it also records what is about to make the sample.

    `is_there`: whether a clip's file is still the one it was cut from; a clip that is not is passed over.
    """

    async def stored(clip: Clip) -> str:
        try:
            with artifacts.writing(".mp4") as (path, references):
                await decoder.run(write_window, clip, str(path))
        except (video.VideoError, WorkerLost) as error:
            table.retire(clip.clip_id)
            message = str(error) if isinstance(error, video.VideoError) else f"{clip.uri!r}: {error}"
            raise PoisonInput(message, {"clip": clip.model_dump(mode="json")}) from error
        return references[0]

    def drawn_clip() -> Clip:
        while not is_there(clip := table.draw()):
            table.retire(clip.clip_id)
        return clip

    @tool
    async def sample_clip(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Take the next source clip: the one that was used least."""
        clip = drawn_clip()
        drawn = clip.model_copy(update={"video": await stored(clip)})
        note = f"{clip.frames} frames of {clip.width}x{clip.height} from {clip.start_seconds:.2f} s of {clip.uri}"
        return ToolResult(changes={"clip": drawn, "provenance": provenance()}, note=note)

    return sample_clip


def write_window(clip: Clip, path: str) -> None:
    """Decode a clip's window from its source and write it, standardised, to `path`.

    Raises:
        VideoError: the source cannot be read, or has changed since it was looked at.
        OSError: the disk is full, read-only or broken.
    """
    seconds, size = (clip.start_seconds, clip.end_seconds), (clip.width, clip.height)
    window = video.read_window(clip.uri, *seconds, clip.frames, *size, most_fps=clip.fps)
    if len(window.frames) != clip.frames:
        raise video.VideoError(
            f"{clip.uri!r} gave {len(window.frames)} frames from {clip.start_seconds:.2f} s, "
            f"expected {clip.frames}; the file may be damaged or has changed since it was ingested"
        )
    video.write(path, window.frames, clip.fps)
