"""Devices of workers: what each sees, whose seconds are counted, and what becomes of one that does not answer."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent.profile import load_profile
from ditto_models.executors import devices, workers
from ditto_models.executors.devices import NoDevice, devices_of, environment
from ditto_models.executors.workers import WorkerExecutor, WorkersConfig
from tests import fake_networks, poison
from tests.commands import line_of, problem_of
from tests.fake_networks import FakeConfig, FakeNetwork

CPU = WorkersConfig(devices=("cpu",))


def test_a_worker_sees_its_own_device_alone_and_has_its_share_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = WorkerExecutor(CPU)
    assert asyncio.run(executor.run(fake_networks.settings, devices.VISIBLE)).value == [""]
    assert "torch" not in asyncio.run(executor.run(fake_networks.loaded_modules)).value, "it must come after"
    executor.close()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name in devices.ALLOCATORS:
        monkeypatch.delenv(name, raising=False)
    grows = {devices.ALLOCATOR: devices.GROWS}
    assert environment("cuda:1", 10_000) == {devices.VISIBLE: "1", "OMP_NUM_THREADS": "1"} | grows
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment("cpu", 2) == {devices.VISIBLE: ""}
    monkeypatch.setenv(devices.VISIBLE, "GPU-aa, MIG-bb")
    assert environment("cuda:1", 2) == {devices.VISIBLE: "MIG-bb"} | grows
    monkeypatch.setenv(devices.ALLOCATORS[1], "max_split_size_mb:512")
    assert environment("cuda:1", 2) == {devices.VISIBLE: "MIG-bb"}, "what the user set counts"


def test_devices_are_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "num_gpus", lambda: 2)
    assert devices_of("auto") == ("cuda:0", "cuda:1")
    with pytest.raises(NoDevice, match="cuda:2 asked for, yet CUDA sees cuda:0, cuda:1"):
        devices_of(("cuda:0", "cuda:2"))
    monkeypatch.setattr(devices, "num_gpus", lambda: 0)
    with pytest.raises(NoDevice, match=r"sees no device; run where .* for example \[cpu\]"):
        devices_of("auto")


@pytest.mark.slow
def test_a_run_that_wants_gpus_where_there_are_none_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "num_gpus", lambda: 0)
    said = problem_of("agent.run", "--target", 1, "--out", tmp_path / "run", "networks={kind: workers}")
    assert line_of(said).startswith("error: networks.devices: auto asked for, yet CUDA sees no device; run where")
    assert not (tmp_path / "run").exists()


def test_seconds_on_a_gpu_are_gpu_seconds_and_those_of_a_crash_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "is_gpu", lambda device: True)
    executor = WorkerExecutor(CPU)
    made = asyncio.run(executor.run(time.sleep, 0.2))
    assert made.gpu_seconds == made.seconds >= 0.2
    crashed = asyncio.run(executor.run(FakeNetwork(FakeConfig(folder=tmp_path)).crash_once))
    assert crashed.gpu_seconds == crashed.seconds > 0
    executor.close()


@pytest.mark.slow
def test_a_gpu_that_does_not_answer_is_left_out_and_the_last_one_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has none, so that a worker told to have one finds none."""
    monkeypatch.setattr(devices, "num_gpus", lambda: 2)
    executor = WorkerExecutor(WorkersConfig(devices=("cuda:0", "cpu")))
    made = asyncio.run(executor.run(poison.own_pid))
    assert made.notes == ("cuda:0 does not answer and is left out",)
    assert made.gpu_seconds == 0
    executor.close()
    alone = WorkerExecutor(WorkersConfig(devices=("cuda:0",)))
    with pytest.raises(NoDevice, match="cuda:0 does not answer"):
        asyncio.run(alone.run(poison.own_pid))
    with pytest.raises(NoDevice, match="cuda:0 does not answer"):
        asyncio.run(alone.run(poison.own_pid))
    alone.close()


def test_where_networks_run_is_no_part_of_what_a_run_is() -> None:
    with_workers = load_profile("embedded", ["networks={kind: workers, devices: [cpu, cpu]}"])
    assert with_workers.hash == load_profile("embedded").hash
