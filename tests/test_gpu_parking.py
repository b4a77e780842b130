"""Networks that take turns on one GPU wait in the computer's memory; they are read again where that is too small."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import BaseModel

from ditto_models.executors.of_call import call_scope
from ditto_models.gpu import machine, network, parking
from ditto_models.gpu.network import Network, unload_all

pytestmark = pytest.mark.slow

GPU = SimpleNamespace(type="cuda", index=0)


class Weights(torch.nn.Module):
    """Says where it was sent, since there is no GPU to send it to."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)
        self.place: Any = GPU
        self.fails = 0

    def to(self, place: Any) -> Weights:  # type: ignore[override]
        if place is GPU and self.fails:
            self.fails -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.place = SimpleNamespace(type="cpu") if place == "cpu" else place
        return self


class Config(BaseModel):
    name: str


class Turn(Network[Config, Weights]):
    """Loads weights onto the pretended GPU."""

    def __init__(self, name: str) -> None:
        super().__init__(Config(name=name))
        self.name = name
        self.loads = 0

    def load(self) -> Weights:
        self.loads += 1
        return Weights()

    def resident(self, loaded: Weights) -> tuple[torch.nn.Module, ...]:
        return (loaded,)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of the computer's memory."""
    unload_all()
    free = [10**12]
    monkeypatch.setattr(network, "cuda_is_in_use", lambda: True)
    monkeypatch.setattr(parking, "_device", lambda module: module.place)
    monkeypatch.setattr(parking, "available_ram_bytes", lambda: free[0])
    monkeypatch.setattr(parking, "total_ram_bytes", lambda: 10**12)
    return free


def place(turn: Turn) -> str:
    return str(turn.with_loaded(lambda weights: weights.place.type))


def crowded(turn: Turn, times: int = 1) -> list[str]:
    """Notes of a call that runs out of memory so many times."""
    left = [times]

    def call(_: Weights) -> None:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    with call_scope() as notes:
        turn.with_loaded(call)
    return notes


def test_an_idle_network_waits_in_the_computers_memory_and_comes_back_without_being_read(free: list[int]) -> None:
    editor, generator = Turn("editor"), Turn("generator")
    assert place(editor) == place(generator) == "cuda"
    assert crowded(generator) == ["generator: out of memory, moved editor to the computer's memory"]
    assert place(editor) == place(generator) == "cuda"
    assert (editor.loads, generator.loads) == (1, 1)


def test_one_that_ran_out_of_memory_asks_for_room_the_next_time_before_it_begins(free: list[int]) -> None:
    editor, generator = Turn("editor"), Turn("generator")
    place(editor)
    crowded(generator)
    assert place(editor) == "cuda"
    free[0] = parking.SPARE_BYTES
    assert crowded(generator, 0) == [], "nothing is unloaded before it must be"
    free[0] = 10**12
    assert crowded(generator, 0) == ["generator: needed the room before, moved editor to the computer's memory"]
    assert crowded(editor, 0) == [], "which never ran out of memory"


def test_one_that_waits_already_frees_nothing_more(free: list[int]) -> None:
    editor, generator = Turn("editor"), Turn("generator")
    place(editor)
    crowded(generator)
    with pytest.raises(network.OutOfMemory):
        crowded(generator)
    assert editor.is_loaded


def test_where_the_computers_memory_is_too_small_it_is_unloaded(free: list[int]) -> None:
    editor, generator = Turn("editor"), Turn("generator")
    place(editor)
    free[0] = parking.SPARE_BYTES
    assert crowded(generator) == ["generator: out of memory, unloaded editor"]
    free[0] = 10**12
    assert place(editor) == "cuda"
    assert editor.loads == 2


def test_before_weights_are_read_networks_that_wait_make_room(free: list[int]) -> None:
    editor, generator, enhancer = Turn("editor"), Turn("generator"), Turn("enhancer")
    place(editor)
    crowded(generator)
    free[0] = parking.LOAD_BYTES - 1
    with call_scope() as notes:
        place(enhancer)
    assert notes == ["enhancer: too little of the computer's memory to be read beside it, unloaded editor"]
    assert generator.is_loaded


def test_one_that_finds_no_room_when_it_comes_back_makes_some(free: list[int]) -> None:
    editor, generator = Turn("editor"), Turn("generator")
    place(editor)
    crowded(generator)
    place(editor)
    crowded(generator, 0)
    weights = editor._loaded
    assert weights
    weights.fails = 1
    with call_scope() as notes:
        assert place(editor) == "cuda"
    assert notes == ["editor: out of memory, moved generator to the computer's memory"]


def test_a_containers_limit_counts_where_the_machine_has_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    assert machine.available_ram_bytes() is machine.total_ram_bytes() is None
    (tmp_path / "meminfo").write_text("MemTotal:  2000 kB\nMemAvailable:  1500 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700000\n")
    assert (machine.total_ram_bytes(), machine.available_ram_bytes()) == (2000 * 1024, 1500 * 1024)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.stat").write_text("anon 400000\ninactive_file 200000\n")
    assert (machine.total_ram_bytes(), machine.available_ram_bytes()) == (1000000, 500000)
