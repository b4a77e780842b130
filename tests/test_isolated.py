"""Whatever a call does to its process, the caller gets one clear error, and the next call works."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ditto_models import video
from ditto_models.executors.base import WorkerLost
from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor
from tests import poison


@pytest.fixture(scope="module")
def executor() -> Iterator[IsolatedExecutor]:
    made = IsolatedExecutor(1, IsolatedConfig(memory_gib=2, stall_seconds=1))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (poison.crash, "the decoder crashed (SIGSEGV)"),
        (poison.hang, "the decoder hung: no progress for 1 s"),
        (poison.swell, "it needs more than 2 GiB of memory"),
    ],
)
def test_harm_is_one_clear_error_and_the_next_call_works(
    executor: IsolatedExecutor, harm: Callable[[], object], said: str
) -> None:
    with pytest.raises(WorkerLost) as caught:
        asyncio.run(executor.run(harm))
    assert str(caught.value) == said
    assert asyncio.run(executor.run(poison.own_pid)).value != os.getpid()


def test_a_worker_killed_with_nothing_to_do_is_replaced() -> None:
    executor = IsolatedExecutor(1)
    try:
        for _ in range(3):
            os.kill(asyncio.run(executor.run(poison.own_pid)).value, signal.SIGKILL)
    finally:
        executor.close()


def test_what_a_call_raises_is_raised_here(executor: IsolatedExecutor) -> None:
    with pytest.raises(video.VideoError, match="is no video"):
        asyncio.run(executor.run(poison.refuse))


def test_a_cancelled_call_is_ended(executor: IsolatedExecutor) -> None:
    async def give_up() -> None:
        call = asyncio.create_task(executor.run(time.sleep, 30))
        await asyncio.sleep(0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(give_up())
    began = time.monotonic()
    asyncio.run(executor.run(poison.own_pid))
    assert time.monotonic() - began < 20


OWNER = """
import asyncio, sys
from ditto_models.executors.isolated import IsolatedExecutor
from tests import poison
if __name__ == "__main__":
    executor = IsolatedExecutor(1)
    print(asyncio.run(executor.run(poison.own_pid)).value, flush=True)
    sys.stdin.read()
    executor.close()
"""


def test_workers_end_with_their_owner_even_when_it_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    worker = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    for _ in range(100):
        if not alive(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its owner")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_an_interrupt_from_the_terminal_leaves_starting_workers_alone() -> None:
    pipe = subprocess.PIPE
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    for _ in range(100):
        for worker in started_by(owner.pid):
            os.kill(worker, signal.SIGINT)
        time.sleep(0.02)
    said, told = owner.communicate("", timeout=60)
    assert said.strip().isdecimal()
    assert "KeyboardInterrupt" not in told


def started_by(pid: int) -> list[int]:
    lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for text in lists for child in text.split()]
