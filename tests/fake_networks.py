"""Networks and calls with no weights, for executors: what they do is told by their Config, since only that travels."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from ditto_models.base import Frames
from ditto_models.executors.of_call import note, stop_if_cancelled
from ditto_models.gpu.network import Network

STEP_SECONDS = 0.02


class FakeConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "a"
    folder: Path = Path()
    """Where it writes down what it does."""


class FakeNetwork(Network[FakeConfig, int]):
    """Loaded is the process that did it."""

    name = "fake"

    def load(self) -> int:
        with (self.config.folder / f"loads-{self.config.name}").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return os.getpid()

    def process(self) -> int:
        return self.with_loaded(lambda loaded: loaded)

    def held(self) -> int:
        """The process, once `let_go` was called; it cannot be stopped."""
        (self.config.folder / f"began-{self.config.name}").touch()
        while not (self.config.folder / f"go-{self.config.name}").exists():
            time.sleep(STEP_SECONDS)
        return self.process()

    def let_go(self) -> None:
        """End the call that `held`, from another process."""
        (self.config.folder / f"go-{self.config.name}").touch()

    async def began(self, word: str = "began") -> None:
        """Until a call has said in its process that it began."""
        while not (self.config.folder / f"{word}-{self.config.name}").exists():  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(STEP_SECONDS)

    def steps(self, count: int) -> int:
        """So many steps, each written down before the next."""
        for number in range(count):
            stop_if_cancelled()
            (self.config.folder / f"steps-{self.config.name}").write_text(str(number + 1))
            time.sleep(STEP_SECONDS)
        return self.process()

    def crash_once(self) -> int:
        """Crashes the first process that tries."""
        return crash_until(self.config.folder / "crashes", 1) and self.process()

    def spoil(self, frames: Frames) -> int:
        """The sum of the frames, which it spoils; the first process that tries crashes after it."""
        total = int(frames.sum())
        frames[:] = 0
        crash_until(self.config.folder / "crashes", 1)
        return total

    def crash(self) -> int:
        return crash_until(self.config.folder / "crashes", 1000)

    def brighter(self, frames: Frames) -> Frames:
        note("brightened")
        return (frames + 1).astype(np.uint8)


def crash_until(path: Path, times: int) -> int:
    """Kill this process, unless that was done so often already; the pid."""
    with path.open("a") as file:
        file.write(".")
    if path.stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def leave() -> None:
    sys.exit(7)


def settings(*names: str) -> list[str | None]:
    """Of this process's environment."""
    return [os.environ.get(name) for name in names]


def loaded_modules() -> list[str]:
    return sorted(sys.modules)


class Shy(RuntimeError):
    """An error that cannot be unpickled: its constructor wants more than it gives back."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} because {why}")


def raise_shy() -> None:
    raise Shy("no", "so it is")


def give_lambda() -> object:
    return lambda: 0


class AcceleratorError(RuntimeError):
    """Named as torch's own."""


def lose_gpu() -> None:
    raise AcceleratorError("CUDA error: an illegal memory access was encountered")
