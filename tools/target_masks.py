"""Where a local edit is in each frame of a clip: found by the words that name it, or by what the edit changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ditto_models.base import Frame, Frames, Masks, TargetMasker
from ditto_models.executors.base import Executor, Timed
from memory.sample import Sample
from tools.edit_types import EditType
from tools.media import Media
from tools.requests import parts
from tools.result import ToolError

Changed = Callable[[Frames, int, Frame], Masks]
"""Source THWC, the number of the key frame and that frame edited, to masks THW of what the edit changed."""
LEAST_SHARE = 0.0005
"""Of a frame, that a target must cover in the frame where it is largest: some 20 by 20 pixels of 1280x720."""


@dataclass(frozen=True, kw_only=True)
class TargetMasks:
    """Finds where an instruction's edit is. `masker` runs on `runner`, all else on `executor`."""

    masker: TargetMasker
    changed: Changed
    edit_types: Mapping[str, EditType]
    media: Media
    executor: Executor
    runner: Executor

    def are_of_target(self, sample: Sample) -> bool:
        """Whether the edit is of something that the source shows, and words name it."""
        return self._names(sample) == "what" and bool(parts(sample)[2].target)

    def are_of_change(self, sample: Sample) -> bool:
        """Whether the edit is of something that only the edited key frame shows."""
        return self._names(sample) == "where"

    async def of_target(self, sample: Sample, key_index: int) -> Timed[str]:
        """An artifact: masks of the instruction's target, those of an earlier key frame where there are.

        Raises:
            ToolError: it is not found in the clip, or not in the key frame.
        """
        clip, _, instruction = parts(sample)
        if sample.key_frame and sample.key_frame.masks:
            stored, found = sample.key_frame.masks[0], None
            masks = (await self.executor.run(self.media.masks, stored)).value
        else:
            frames = (await self.executor.run(self.media.frames, clip.video)).value
            found = await self.runner.run(self.masker.mask_target, frames, instruction.target)
            masks = found.value
            stored = (await self.executor.run(self.media.put_masks, masks)).value
        shares = masks.mean(axis=(1, 2))
        if shares.max() < LEAST_SHARE:
            raise ToolError(
                f"{self.masker.name} finds no {instruction.target!r} in the clip; "
                "write an instruction about something else that is plain to see, or of another edit type"
            )
        if shares[key_index] < LEAST_SHARE:
            best = int(shares.argmax())
            raise ToolError(
                f"{instruction.target!r} is not seen in frame {key_index}, and best in frame {best} of {len(shares)}; "
                "edit another frame, or write an instruction about something else"
            )
        notes = (f"{instruction.target!r} covers {shares[key_index]:.1%} of the frame",)
        if found is None:
            return Timed(value=stored, seconds=0.0, notes=notes)
        return Timed(value=stored, seconds=found.seconds, gpu_seconds=found.gpu_seconds, notes=(*found.notes, *notes))

    async def of_change(self, sample: Sample, key_index: int, key_edited: Frame) -> Timed[str]:
        """An artifact: masks of what the key frame's edit changed, followed through the clip; "" where nothing was."""
        clip, _, _ = parts(sample)

        def found() -> str:
            masks = self.changed(self.media.frames(clip.video), key_index, key_edited)
            return self.media.put_masks(masks) if masks.any() else ""

        return await self.executor.run(found)

    def _names(self, sample: Sample) -> str:
        instruction = parts(sample)[2]
        kind = None if instruction.look else self.edit_types.get(instruction.edit_type)
        return kind.names if kind else ""
