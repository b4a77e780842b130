"""Maps of runs' instructions, made in the background: the embedder runs in a process of its own, at low priority."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.instruction_map import Plane, plane_of
from agent.provenance import ROOT
from agent.studio.runs import StudioRun
from memory.figures import Asked

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_MOST = 2000
"""Instructions on a map; of more, so many, the same ones however the run grows."""
PATIENCE_SECONDS = 300.0
LEAST_AGE_SECONDS = 60.0
"""Before a map is made anew for a run that has grown."""


@dataclass(frozen=True, kw_only=True)
class InstructionMap:
    """What there is to show of a run."""

    state: Literal["being made", "ready", "failed", "empty"]
    asked: tuple[Asked, ...] = ()
    """One by point."""
    plane: Plane | None = None
    total: int = 0
    """Instructions in the run when it was made."""
    problem: str = ""
    """Why it could not be made."""
    made_at: float = 0.0
    """By the monotonic clock."""

    @property
    def seen(self) -> str:
        """What tells it from another one."""
        return f"{self.state} {self.total} {self.made_at:.0f}"


BEING_MADE = InstructionMap(state="being made")


@dataclass
class _Work:
    """Of one run."""

    shown: InstructionMap = BEING_MADE
    made_at: float = -LEAST_AGE_SECONDS
    samples: int = -1
    """In the run when it was last begun."""
    thread: threading.Thread | None = None
    vectors: dict[str, NDArray[Any]] = field(default_factory=dict)
    """By text: a text is embedded once."""


class InstructionMaps:
    """The maps of a studio; `scratch` is for what passes between processes."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._works: dict[str, _Work] = {}
        self._lock = threading.Lock()

    def shown(self, run: StudioRun) -> InstructionMap:
        """The map as it was last made; begins none."""
        work = self._works.get(run.key)
        return work.shown if work else BEING_MADE

    def of(self, run: StudioRun, wait: bool = False) -> InstructionMap:
        """The map as it is now; one that is missing or old is begun, and waited for where `wait` is true."""
        samples = sum(run.ledger.counts().values())
        with self._lock:
            work = self._works.setdefault(run.key, _Work())
            idle = work.thread is None or not work.thread.is_alive()
            if idle and work.samples != samples and time.monotonic() - work.made_at >= LEAST_AGE_SECONDS:
                work.samples = samples
                work.thread = threading.Thread(target=self._make, args=(run, work), name="map", daemon=True)
                work.thread.start()
        if wait and work.thread:
            work.thread.join()
        return work.shown

    def _make(self, run: StudioRun, work: _Work) -> None:
        try:
            work.shown = self._made(run, work)
        except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
            work.shown = InstructionMap(state="failed", problem=" ".join(str(error).split())[:300])
        work.made_at = time.monotonic()

    def _made(self, run: StudioRun, work: _Work) -> InstructionMap:
        import numpy as np

        asked, total = run.ledger.figures.instructions(AT_MOST)
        if not asked:
            return InstructionMap(state="empty")
        new = sorted({one.text for one in asked} - work.vectors.keys())
        if new:
            work.vectors.update(zip(new, self._embedded(run, new), strict=True))
        vectors = np.stack([work.vectors[one.text] for one in asked])
        return InstructionMap(
            state="ready", asked=tuple(asked), plane=plane_of(vectors), total=total, made_at=time.monotonic()
        )

    def _embedded(self, run: StudioRun, texts: Sequence[str]) -> NDArray[Any]:
        import numpy as np

        out = self._scratch / f"{run.key}-vectors.npy"
        done = subprocess.run(
            [sys.executable, "-m", "agent.instruction_vectors", str(run.folder.resolve()), str(out.resolve())],
            cwd=ROOT,
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RuntimeError(last.removeprefix("error: "))
        return np.load(out, allow_pickle=False)  # type: ignore[no-any-return]
