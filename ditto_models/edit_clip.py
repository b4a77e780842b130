"""The work of `python -m ditto_models.edit`: a clip's file, an instruction and an Editto in, a file of the same frames
out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ditto_models.executors.of_call import call_scope
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.clip_edit import ClipPlan, edited_clip, plan_of
from ditto_models.gpu.editto import Editto
from ditto_models.gpu.in_windows import Carry
from ditto_models.retold import retold
from ditto_models.timeline import Timeline, frames_of


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What was made, and how."""

    out: str
    model: str
    instruction: str
    seed: int
    width: int
    height: int
    frames: int
    fps: float
    is_steady: bool
    """Whether all frames are shown as long; where not, each is shown when its source is."""
    sound: str
    """kept, none, or why it was left out."""
    made_width: int
    """What the network made, before it was brought back to the clip's size."""
    made_height: int
    windows: tuple[tuple[int, int], ...]
    """First frame, and the one after the last, of what was made at once."""
    seconds: float
    notes: tuple[str, ...]
    """What else there is to know of how it went."""

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return asdict(self)


Told = Callable[[ClipPlan, int, int], None]
"""Is told the plan, a window of it, and how many of its steps are made."""


def edit_clip(
    editto: Editto,
    clip: Timeline,
    out: Path,
    instruction: str,
    seed: int,
    sizes: tuple[Bucket, ...],
    carry: Carry,
    told: Told,
) -> Edited:
    """Write the edited clip; `out` appears once it is whole.

    Raises:
        VideoError: the clip cannot be read any more, or the result cannot be written.
        CannotLoad, OutOfMemory: the network cannot be loaded or run here.
    """
    begun = time.monotonic()
    plan = plan_of(clip.width, clip.height, clip.frames, sizes)
    with call_scope() as notes, retold(out, clip) as writing:
        told(plan, 0, 0)
        frames = edited_clip(
            editto, frames_of(clip), plan, instruction, seed, carry, lambda window, step: told(plan, window, step)
        )
        for frame in frames:
            writing.put(frame)
    return Edited(
        out=str(out),
        model=editto.name,
        instruction=instruction,
        seed=seed,
        width=clip.width,
        height=clip.height,
        frames=clip.frames,
        fps=round(float(clip.rate), 4),
        is_steady=clip.is_steady,
        sound=writing.sound,
        made_width=plan.canvas.width,
        made_height=plan.canvas.height,
        windows=tuple((window.begin, window.end) for window in plan.windows),
        seconds=round(time.monotonic() - begun, 1),
        notes=tuple(notes),
    )
