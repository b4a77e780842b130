"""What executors do alike: threads of this process, processes with limits, and workers with a device each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ditto_models import video
from ditto_models.executors import workers
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.executors.isolated import IsolatedExecutor
from ditto_models.executors.spent import spent_in_vain
from ditto_models.executors.workers import WorkerExecutor, WorkersConfig
from tests import poison
from tests.fake_networks import FakeConfig, FakeNetwork

KINDS: dict[str, Callable[[], Executor]] = {
    "threads": lambda: InProcessExecutor(1),
    "isolated": lambda: IsolatedExecutor(1),
    "workers": lambda: WorkerExecutor(WorkersConfig(devices=("cpu",))),
}
OF_NETWORKS = ("threads", "workers")


@pytest.fixture(scope="module", params=KINDS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    made = KINDS[request.param]()
    yield made
    made.close()


def test_a_call_gives_its_value_its_seconds_and_its_notes(executor: Executor, tmp_path: Path) -> None:
    network = FakeNetwork(FakeConfig(folder=tmp_path))
    frames = np.zeros((3, 200, 200, 3), np.uint8)
    made = asyncio.run(executor.run(network.brighter, frames))
    assert made.value.min() == made.value.max() == 1
    made.value[0] = 7  # the caller's own
    assert made.notes == ("brightened",)
    slept = asyncio.run(executor.run(time.sleep, 0.2))
    assert 0.2 <= slept.seconds < 2
    assert slept.gpu_seconds == 0.0


def test_what_a_call_raises_is_raised_here(executor: Executor) -> None:
    with pytest.raises(video.VideoError, match="is no video"):
        asyncio.run(executor.run(poison.refuse))


@pytest.mark.parametrize("kind", OF_NETWORKS)
def test_a_call_that_is_cancelled_while_it_waits_never_runs(tmp_path: Path, kind: str) -> None:
    executor = KINDS[kind]()
    running, waiting = (FakeNetwork(FakeConfig(name=name, folder=tmp_path)) for name in "ab")

    async def give_up() -> None:
        first = asyncio.create_task(executor.run(running.held))
        await running.began()
        second = asyncio.create_task(executor.run(waiting.steps, 2))
        await asyncio.sleep(0.1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        running.let_go()
        await first
        await executor.run(running.process)

    asyncio.run(give_up())
    executor.close()
    assert not (tmp_path / "steps-b").exists()


@pytest.mark.parametrize("kind", OF_NETWORKS)
def test_a_call_that_is_cancelled_stops_between_two_steps_and_its_network_stays_loaded(
    tmp_path: Path, kind: str
) -> None:
    executor, network = KINDS[kind](), FakeNetwork(FakeConfig(folder=tmp_path))

    async def give_up() -> tuple[int, int]:
        before = await executor.run(network.process)
        call = asyncio.create_task(executor.run(network.steps, 1000))
        await network.began("steps")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return before.value, (await executor.run(network.process)).value

    before, after = asyncio.run(asyncio.wait_for(give_up(), 60))
    executor.close()
    assert before == after
    assert int((tmp_path / "steps-a").read_text()) < 500
    assert len((tmp_path / "loads-a").read_text().split()) == 1


@pytest.mark.parametrize("kind", OF_NETWORKS)
def test_what_a_call_cost_that_gave_nothing_is_known_to_who_pays(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "is_gpu", lambda device: True)
    executor = InProcessExecutor(1, holds_gpu=lambda: True) if kind == "threads" else KINDS[kind]()

    async def fail() -> None:
        await executor.run(time.sleep, 0.1)  # gives something, and says itself what it cost
        with pytest.raises(video.VideoError):
            await executor.run(poison.refuse_late)
        call = asyncio.create_task(executor.run(time.sleep, 0.5))
        await asyncio.sleep(0.3)
        call.cancel()
        await asyncio.wait([call])

    with spent_in_vain() as spent:
        asyncio.run(fail())
    executor.close()
    assert 0.4 < spent.seconds == spent.gpu_seconds < 3
