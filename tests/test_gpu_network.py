"""A network that runs out of memory is eased step by step, fails at last as one sample, and goes on with the next."""

from __future__ import annotations

import pickle
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from pydantic import BaseModel

from ditto_models.executors.of_call import CallCancelled, call_scope
from ditto_models.gpu import network
from ditto_models.gpu.memory import descent_of_load, is_out_of_memory
from ditto_models.gpu.network import Network, OutOfMemory, unload_all

pytestmark = pytest.mark.slow


class Config(BaseModel):
    """How much the network can do without."""

    name: str = "painter"
    steps: tuple[str, ...] = ("tiles", "offloads")
    fails_to_load: int = 0


class Painter(Network[Config, list[str]]):
    """Loads a list of what it was eased to; easing adds to it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.name = config.name
        self.loads = 0

    def load(self) -> list[str]:
        self.loads += 1
        descent = descent_of_load()
        descent.next_step = next(iter(self.config.steps[descent.steps :]), "")
        if self.loads <= self.config.fails_to_load:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 35.00 GiB")
        return list(self.config.steps[: descent.steps])

    def ease(self, loaded: list[str]) -> str:
        left = self.config.steps[len(loaded) :]
        loaded.extend(left[:1])
        return next(iter(left), "")


@pytest.fixture(autouse=True)
def _no_other_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    unload_all()
    monkeypatch.setattr(network, "_warm", {})


def failing(times: int) -> Callable[[list[str]], list[str]]:
    """A call that runs out of memory so many times, then says what the network was eased to."""
    left = [times]

    def call(loaded: list[str]) -> list[str]:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore lines")
        return list(loaded)

    return call


def test_a_call_that_fits_eases_nothing() -> None:
    with call_scope() as notes:
        assert Painter(Config()).with_loaded(failing(0)) == []
    assert not notes


def test_idle_networks_go_first_then_its_own_steps_in_order() -> None:
    other, cold, painter = Painter(Config(name="judge")), Painter(Config(name="cold")), Painter(Config())
    other.with_loaded(failing(0))
    with call_scope() as notes:
        assert painter.with_loaded(failing(3)) == ["tiles", "offloads"]
    assert notes == [f"painter: out of memory, {step}" for step in ("unloaded judge", "tiles", "offloads")]
    assert not other.is_loaded
    assert cold.loads == 0


def test_what_it_was_eased_to_stays_for_later_calls_even_after_it_was_unloaded() -> None:
    painter = Painter(Config())
    painter.with_loaded(failing(1))
    with call_scope() as notes:
        assert painter.with_loaded(failing(0)) == ["tiles"]
        painter.unload()
        assert painter.with_loaded(failing(0)) == ["tiles"]
    assert not notes
    assert painter.loads == 2


def test_nothing_left_to_ease_fails_the_sample_and_the_next_call_works() -> None:
    painter = Painter(Config())
    with call_scope() as notes, pytest.raises(OutOfMemory, match=r"painter ran out of memory .*2.00 GiB$") as failed:
        painter.with_loaded(failing(3))
    assert len(notes) == 2
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None, "it would hold on to the tensors of the failed call"
    assert not painter.is_loaded, "what a call left half streamed is not gone on with"
    assert painter.with_loaded(failing(0)) == ["tiles", "offloads"]


def test_a_network_that_does_not_fit_while_loading_is_loaded_further_down() -> None:
    painter = Painter(Config(fails_to_load=2))
    with call_scope() as notes:
        assert painter.with_loaded(failing(0)) == ["tiles", "offloads"]
    assert notes == ["painter: out of memory, tiles", "painter: out of memory, offloads"]
    painter.unload()
    with pytest.raises(OutOfMemory):
        Painter(Config(fails_to_load=3)).with_loaded(failing(0))
    with pytest.raises(OutOfMemory):
        Painter(Config(steps=(), fails_to_load=1)).with_loaded(failing(0))


def test_other_errors_are_not_taken_for_memory_and_leave_it_loaded() -> None:
    painter = Painter(Config())

    def call(_: list[str]) -> None:
        raise ValueError("9 frames expected, 8 given")

    with call_scope() as notes, pytest.raises(ValueError, match="9 frames"):
        painter.with_loaded(call)
    assert not notes
    assert painter.is_loaded


def test_tensors_of_a_failed_call_are_gone_before_the_next_try() -> None:
    painter = Painter(Config())
    seen: list[weakref.ref[torch.Tensor]] = []

    def call(_: list[str]) -> int:
        alive = sum(reference() is not None for reference in seen)
        latents = torch.zeros(1000)
        seen.append(weakref.ref(latents))
        if len(seen) < 3:
            raise torch.OutOfMemoryError(f"CUDA out of memory beside {latents.shape}")
        return alive

    assert painter.with_loaded(call) == 0
    assert len(seen) == 3


def test_a_network_at_work_is_never_unloaded_by_another() -> None:
    busy, painter = Painter(Config(name="busy")), Painter(Config())
    at_work, done = threading.Event(), threading.Event()

    def long(loaded: list[str]) -> bool:
        at_work.set()
        assert done.wait(10)
        return busy.is_loaded

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(busy.with_loaded, long)
        assert at_work.wait(10)
        assert painter.with_loaded(failing(1)) == ["tiles"]
        done.set()
        assert working.result(10)
    # Nor by one that it calls itself, on the same thread.
    assert busy.with_loaded(lambda _: painter.with_loaded(failing(1)) and busy.is_loaded)


def test_two_networks_that_want_each_others_memory_do_not_wait_for_ever() -> None:
    pair = Painter(Config(name="one")), Painter(Config(name="two"))
    both_inside = threading.Barrier(2)

    def call_of() -> Callable[[list[str]], list[str]]:
        tries = iter((True, True, False))

        def call(loaded: list[str]) -> list[str]:
            if next(tries):
                both_inside.wait(10)
                raise torch.OutOfMemoryError("CUDA out of memory")
            return list(loaded)

        return call

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(each.with_loaded, call_of()) for each in pair]
        assert [each.result(20) for each in working] == [["tiles", "offloads"]] * 2


def test_an_inner_networks_last_word_does_not_ease_the_outer_one() -> None:
    inner, outer = Painter(Config(name="inner", steps=())), Painter(Config(name="outer"))
    with call_scope() as notes, pytest.raises(OutOfMemory, match="inner"):
        outer.with_loaded(lambda _: inner.with_loaded(failing(1)))
    assert not notes


def test_a_cancelled_call_is_not_tried_again() -> None:
    cancelled = [False]

    def call(_: list[str]) -> None:
        cancelled[0] = True
        raise torch.OutOfMemoryError("CUDA out of memory")

    with call_scope(lambda: cancelled[0]), pytest.raises(CallCancelled):
        Painter(Config()).with_loaded(call)


def test_sent_by_config_it_is_the_same_network_there() -> None:
    first = pickle.loads(pickle.dumps(Painter(Config(name="sent"))))
    assert pickle.loads(pickle.dumps(first)) is first
    assert pickle.loads(pickle.dumps(Painter(Config(name="another")))) is not first


def allocated_too_much() -> BaseException:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**52)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("HIP out of memory"),
        MemoryError(),
        allocated_too_much(),
    ],
    ids=str,
)
def test_each_way_of_saying_so_is_out_of_memory(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        OutOfMemory("painter ran out of memory: CUDA out of memory"),
        ValueError("out of memory"),
        CallCancelled("cancelled"),
    ],
    ids=str,
)
def test_other_errors_are_not(error: BaseException) -> None:
    assert not is_out_of_memory(error)
