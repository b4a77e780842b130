"""sample_clip: draws a clip from the table, or takes the one that a person gave, and stores its window at the run's
size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from ditto_models import video
from ditto_models.executors.base import Executor, WorkerLost
from memory.artifacts import ArtifactStore
from memory.sample import Clip, Provenance, Sample
from memory.talk import Given
from tools.clip_table import ClipTable
from tools.result import PoisonInput, ToolResult


@dataclass(frozen=True, kw_only=True)
class GivenClip:
    """The window that was found for a person, and the file to cut it from."""

    clip: Clip
    file: str
    note: str = ""


class GivenClips(Protocol):
    """Finds the clip that a person gave to a conversation."""

    async def find(self, given: Given) -> GivenClip:
        """The window.

        Raises:
            PoisonInput: it cannot be had; the message says why, in words for the person.
        """
        ...

    async def look(self, given: Given, window: str) -> str:
        """What is to be said of the window, now stored in the file `window`; empty where there is nothing.

        Raises:
            PoisonInput: it must not be worked on.
        """
        ...


def sample_clip(
    table: ClipTable,
    given: GivenClips,
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

    async def taken(of: Given) -> tuple[Clip, str]:
        found = await given.find(of)
        clip = found.clip
        try:
            with artifacts.writing(".mp4") as (path, references):
                await decoder.run(write_window, clip.model_copy(update={"uri": found.file}), str(path))
                said = await given.look(of, str(path))
        except (video.VideoError, WorkerLost) as error:
            message = str(error).replace(found.file, clip.uri)
            raise PoisonInput(message, {"clip": clip.model_dump(mode="json")}) from error
        note = "; ".join(part for part in (found.note, said) if part)
        return clip.model_copy(update={"video": references[0]}), note

    def drawn_clip() -> Clip:
        while not is_there(clip := table.draw()):
            table.retire(clip.clip_id)
        return clip

    @tool
    async def sample_clip(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Take the next source clip: the one that was used least."""
        said = ""
        if sample.given:
            clip, said = await taken(sample.given)
        else:
            drawn = drawn_clip()
            clip = drawn.model_copy(update={"video": await stored(drawn)})
        note = f"{clip.frames} frames of {clip.width}x{clip.height} from {clip.start_seconds:.2f} s of {clip.uri}"
        changes: dict[str, object] = {"clip": clip, "provenance": provenance()}
        return ToolResult(changes=changes, note=f"{note}; {said}" if said else note)

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
