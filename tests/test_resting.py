"""An executor that rests: what it held is closed and freed, and the next call finds it anew."""

import asyncio
from pathlib import Path

import pytest

from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.executors.resting import RestingExecutor
from tests.fake_networks import FakeConfig, FakeNetwork

pytestmark = pytest.mark.slow  # freeing a network loads torch


def test_a_rested_executor_closes_frees_and_begins_anew(tmp_path: Path) -> None:
    built = list[InProcessExecutor]()

    def build() -> Executor:
        built.append(InProcessExecutor(1))
        return built[-1]

    async def calls() -> list[int]:
        first = await resting.run(int, "1")
        await resting.rest()
        with pytest.raises(RuntimeError):
            await built[0].run(int, "2")
        await resting.rest()
        return [first.value, (await resting.run(int, "3")).value]

    network = FakeNetwork(FakeConfig(folder=tmp_path))
    network.process()
    resting = RestingExecutor(build)
    assert asyncio.run(calls()) == [1, 3]
    assert len(built) == 2
    assert not network.is_loaded
    resting.close()
