"""Makes edited versions of one frame of a clip, and finds where a local edit is in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ditto_models.base import EditRequest, Frame, KeyFrameEditor, Mask
from ditto_models.executors.base import Executor, Timed
from memory.sample import KeyFrame, Sample
from tools.media import Media
from tools.requests import edit_request, parts
from tools.result import ToolError, cost
from tools.target_masks import TargetMasks
from tools.together import together

_NONE = Timed(value="", seconds=0.0)


@dataclass(frozen=True, kw_only=True)
class KeyFrameMaker:
    """Over an editor, which runs on `runner`; pixels are read and stored on `executor`."""

    editor: KeyFrameEditor
    media: Media
    executor: Executor
    runner: Executor
    targets: TargetMasks | None = None
    """Finds where local edits are; without it, they are of the main subject."""

    async def make(self, sample: Sample, index: int, strengths: Sequence[float], first_seed: int) -> Timed[KeyFrame]:
        """The key frame of this number, edited as the sample's instruction says, once by strength (0..1), at the same
        time where there are several devices. Its notes say what was tried.

        Raises:
            ToolError: what the edit is of is not to be found.
            Exception: the editor's own.
        """
        targets = self.targets
        target = await targets.of_target(sample, index) if targets and targets.are_of_target(sample) else _NONE
        source, mask = (await self.executor.run(self._gather, sample, index, target.value)).value
        _, description, instruction = parts(sample)
        asked = [
            edit_request(description, instruction, strength, first_seed + number)
            for number, strength in enumerate(strengths)
        ]
        made = await together(self.runner.run(self.editor.edit, source, mask, request) for request in asked)
        changed = await self._changes(sample, index, [each.value for each in made])
        whole = [place for place, one in enumerate(changed) if one.value] or list(range(len(made)))
        masks = [changed[place].value or target.value for place in whole]
        edited, used = [made[place].value for place in whole], [strengths[place] for place in whole]
        stored = await self.executor.run(self._kept, index, source, edited, used, masks if any(masks) else [])
        work: list[Timed[Any]] = [target, *made, *changed]
        spent = cost(*work)
        return Timed(
            value=stored.value,
            seconds=spent["model_seconds"],
            gpu_seconds=spent["gpu_seconds"],
            notes=(said(index, asked, len(whole)), *(note for each in work for note in each.notes)),
        )

    def _gather(self, sample: Sample, index: int, masks: str) -> tuple[Frame, Mask]:
        clip, description, _ = parts(sample)
        return self.media.frames(clip.video)[index], self.media.masks(masks or description.masks)[index]

    async def _changes(self, sample: Sample, index: int, edited: list[Frame]) -> list[Timed[str]]:
        targets = self.targets
        if targets is None or not targets.are_of_change(sample):
            return [Timed(value="", seconds=0.0) for _ in edited]
        found = await together(targets.of_change(sample, index, frame) for frame in edited)
        if not any(one.value for one in found):
            raise ToolError(
                "the edit added nothing to the key frame that could be told from its source; "
                "ask for more strength or another frame, or write another instruction"
            )
        return found

    def _kept(
        self, index: int, source: Frame, edited: list[Frame], strengths: list[float], masks: list[str]
    ) -> KeyFrame:
        put = self.media.put_image
        candidates = [put(frame) for frame in edited]
        return KeyFrame(index=index, source=put(source), candidates=candidates, strengths=strengths, masks=masks)


def said(index: int, asked: Sequence[EditRequest], used: int) -> str:
    """What was tried, in one line: seeds tell candidates apart where an editor leaves strength aside."""
    strengths = ", ".join(f"{request.strength:.2f}" for request in asked)
    seeds = f"seeds {asked[0].seed} to {asked[-1].seed}" if len(asked) > 1 else f"seed {asked[0].seed}"
    lost = f"; {len(asked) - used} of them changed nothing and were left out" if used < len(asked) else ""
    return f"frame {index} at strength {strengths}, {seeds}{lost}"
