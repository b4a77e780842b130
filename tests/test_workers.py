"""Worker processes: warm networks, one device each, and whatever becomes of a worker, the next call is served."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ditto_models.executors import workers
from ditto_models.executors.base import Timed, WorkerLost
from ditto_models.executors.parcels import Parcel
from ditto_models.executors.worker_process import RemoteError
from ditto_models.executors.workers import WorkerExecutor, WorkersConfig
from tests import fake_networks, poison
from tests.fake_networks import FakeConfig, FakeNetwork
from tests.test_isolated import alive

CPU = WorkersConfig(devices=("cpu",))


@pytest.fixture(scope="module")
def executor() -> Iterator[WorkerExecutor]:
    made = WorkerExecutor(CPU)
    yield made
    made.close()


@pytest.fixture
def network(tmp_path: Path) -> FakeNetwork:
    return FakeNetwork(FakeConfig(folder=tmp_path))


async def each_value(call: asyncio.Task[Timed[int]]) -> int:
    return (await call).value


def own_process(executor: WorkerExecutor) -> int:
    return asyncio.run(executor.run(poison.own_pid)).value


def test_a_network_is_loaded_once_and_stays_warm(executor: WorkerExecutor, network: FakeNetwork) -> None:
    processes = {asyncio.run(executor.run(network.process)).value for _ in range(3)}
    assert len(processes) == 1
    assert os.getpid() not in processes
    assert not network.is_loaded
    assert len((network.config.folder / "loads-a").read_text().split()) == 1


def test_two_workers_work_at_the_same_time_and_each_settles_on_its_network(tmp_path: Path) -> None:
    executor = WorkerExecutor(WorkersConfig(devices=("cpu", "cpu")))
    networks = [FakeNetwork(FakeConfig(name=name, folder=tmp_path)) for name in "ab"]

    async def both() -> list[int]:
        calls = [asyncio.create_task(executor.run(network.held)) for network in networks]
        for network in networks:
            await network.began()
        for network in networks:
            network.let_go()
        return await asyncio.gather(*(each_value(call) for call in calls))

    pairs = {tuple(asyncio.run(both())) for _ in range(4)}
    executor.close()
    [(first, second)] = pairs
    assert first != second


def test_a_worker_that_crashes_is_replaced_and_its_call_tried_once_more(
    executor: WorkerExecutor, network: FakeNetwork
) -> None:
    before = own_process(executor)
    made = asyncio.run(executor.run(network.crash_once))
    assert made.value != before
    assert made.notes == ("the worker of cpu crashed (SIGKILL), so the call was tried again on a new one",)


def test_a_call_that_is_tried_again_is_given_what_it_was_given_at_first(
    executor: WorkerExecutor, network: FakeNetwork
) -> None:
    made = asyncio.run(executor.run(network.spoil, np.ones((2, 100, 100, 3), np.uint8)))
    assert (made.value, len(made.notes)) == (60_000, 1)


def test_a_call_that_crashes_two_workers_is_lost_and_the_next_one_works(
    executor: WorkerExecutor, network: FakeNetwork
) -> None:
    with pytest.raises(WorkerLost, match=r"^the worker of cpu crashed \(SIGKILL\)$"):
        asyncio.run(executor.run(network.crash))
    assert (network.config.folder / "crashes").stat().st_size == 2
    assert alive(own_process(executor))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (fake_networks.leave, "crashed (exit code 7)"),
        (fake_networks.lose_gpu, "has lost its GPU: CUDA error: an illegal memory access"),
    ],
)
def test_a_worker_that_ends_or_can_do_no_more_is_lost_by_name(
    executor: WorkerExecutor, harm: Callable[[], None], said: str
) -> None:
    before = own_process(executor)
    with pytest.raises(WorkerLost) as caught:
        asyncio.run(executor.run(harm))
    assert said in str(caught.value)
    assert own_process(executor) != before


def test_a_call_that_hangs_is_lost_at_once_and_its_worker_replaced() -> None:
    executor = WorkerExecutor(CPU.model_copy(update={"call_seconds": 1.5}))
    before, began = own_process(executor), time.monotonic()
    with pytest.raises(WorkerLost, match=r"hung: the call took more than 1\.5 s"):
        asyncio.run(executor.run(poison.hang))
    assert time.monotonic() - began < 30
    assert not alive(before)
    assert own_process(executor) != before
    executor.close()


def test_a_cancelled_call_that_does_not_stop_costs_its_worker_and_no_one_elses_call() -> None:
    executor = WorkerExecutor(CPU.model_copy(update={"grace_seconds": 0.3}))

    async def give_up() -> tuple[int, int]:
        before = (await executor.run(poison.own_pid)).value
        call = asyncio.create_task(executor.run(poison.hang))
        await asyncio.sleep(0.3)
        call.cancel()
        return before, (await executor.run(poison.own_pid)).value

    before, after = asyncio.run(asyncio.wait_for(give_up(), 60))
    executor.close()
    assert before != after
    assert not alive(before)


def test_a_worker_killed_with_nothing_to_do_is_replaced_without_a_word(executor: WorkerExecutor) -> None:
    for _ in range(2):
        os.kill(own_process(executor), signal.SIGKILL)
        time.sleep(0.2)
    made = asyncio.run(executor.run(poison.own_pid))
    assert made.notes == ()


def test_errors_and_results_that_cannot_travel_are_told(executor: WorkerExecutor) -> None:
    with pytest.raises(RemoteError, match=r"^Shy: no because so it is$"):
        asyncio.run(executor.run(fake_networks.raise_shy))
    with pytest.raises(RemoteError, match="the result, a function, cannot be sent"):
        asyncio.run(executor.run(fake_networks.give_lambda))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        asyncio.run(executor.run(lambda: 0))


def test_where_it_broke_in_the_worker_is_on_the_error(executor: WorkerExecutor) -> None:
    with pytest.raises(Exception, match="is no video") as caught:
        asyncio.run(executor.run(poison.refuse))
    assert "poison.py" in caught.value.__notes__[0]


def test_large_and_small_and_read_only_arrays_arrive_as_they_were(executor: WorkerExecutor) -> None:
    rng = np.random.default_rng(0)
    sent = [rng.random(shape) for shape in ((0,), (1,), (300, 500), (7, 3))]
    sent[2].flags.writeable = False
    sent.append(rng.integers(0, 255, (40, 30, 3), np.uint8)[::2, ::-1])
    got = asyncio.run(executor.run(list, sent)).value
    assert all(np.array_equal(one, other) for one, other in zip(sent, got, strict=True))
    assert [one.flags.writeable for one in got] == [True, True, False, True, True]


def test_calls_beyond_the_places_wait_before_anything_of_them_is_copied(
    monkeypatch: pytest.MonkeyPatch, network: FakeNetwork
) -> None:
    packed: list[Parcel] = []

    class Counted(Parcel):
        def __init__(self, value: object) -> None:
            super().__init__(value)
            packed.append(self)

    monkeypatch.setattr(workers, "Parcel", Counted)
    executor = WorkerExecutor(WorkersConfig(devices=("cpu",), queue=1))

    async def many() -> int:
        calls = [asyncio.create_task(executor.run(network.held)) for _ in range(4)]
        await network.began()
        await asyncio.sleep(0.3)
        ahead = len(packed)
        calls[3].cancel()
        network.let_go()
        await asyncio.gather(*calls, return_exceptions=True)
        return ahead

    assert asyncio.run(many()) == 2
    assert len(packed) == 3
    executor.close()


def test_closing_ends_every_process_and_fails_what_waits(network: FakeNetwork) -> None:
    executor = WorkerExecutor(CPU)

    async def close_meanwhile() -> list[object]:
        first = asyncio.create_task(executor.run(network.held))
        await network.began()
        others = [asyncio.create_task(executor.run(time.sleep, 0.3)) for _ in range(5)]
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(asyncio.to_thread(executor.close))
        await asyncio.wait(others)
        network.let_go()
        await closing
        return await asyncio.gather(first, *others, return_exceptions=True)

    first, *others = asyncio.run(close_meanwhile())
    assert isinstance(first, Timed)  # it was under way
    assert {type(one) for one in others} == {WorkerLost}
    assert not alive(first.value)


OWNER = """
import asyncio, sys, time
from ditto_models.executors.workers import WorkerExecutor, WorkersConfig
from tests import poison
async def main():
    executor = WorkerExecutor(WorkersConfig(devices=("cpu", "cpu")))
    made = await asyncio.gather(*(executor.run(poison.own_pid) for _ in range(2)))
    busy = asyncio.create_task(executor.run(time.sleep, 60))
    await asyncio.sleep(0.2)
    print(*{each.value for each in made}, flush=True)
    await busy
if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_busy_or_idle_end_with_their_owner_even_when_it_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    processes = [int(word) for word in owner.stdout.readline().split()]
    assert processes
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 5
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, processes))
