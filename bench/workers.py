"""What it costs to send a clip to a worker process and back: python -m bench.workers [--frames 101 --size 1280x720]

The floor is a memcpy of the same bytes into memory that is there already; memory that is new must be cleared first,
page by page. Pickled through the connection, and in named shared memory (/dev/shm), are what `executors/parcels.py`
might do instead.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import pickle
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from ditto_models.base import Frames
from ditto_models.executors.workers import WorkerExecutor, WorkersConfig


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--frames", type=int, default=101, help="of the clip (default: %(default)s)")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="of a frame (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many counts (default: %(default)s)")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    clip = np.random.default_rng(0).integers(0, 255, (options.frames, height, width, 3), np.uint8)
    floor = median(copier(clip), options.rounds)
    print(f"a clip of {clip.nbytes / 1e6:.0f} MB to a worker, and back; {options.rounds} rounds")
    print(f"{'way':28}{'seconds':>9}{'of two memcpys':>16}")
    print(f"{'two memcpys, the floor':28}{2 * floor:9.3f}{1:16.1f}")
    fresh = median(clip.copy, options.rounds)
    print(f"{'the same to fresh memory':28}{2 * fresh:9.3f}{fresh / floor:16.1f}")
    for name, seconds in measured(clip, options.rounds).items():
        print(f"{name:28}{seconds:9.3f}{seconds / (2 * floor):16.1f}")


def measured(clip: Frames, rounds: int) -> dict[str, float]:
    """Median seconds by way."""
    executor = WorkerExecutor(WorkersConfig(devices=("cpu",)))
    found = {"WorkerExecutor": median(lambda: asyncio.run(executor.run(looked_at, clip)), rounds)}
    executor.close()
    for name, (send, serve) in {"pickled": (pickled, serve_pickled), "shared memory": (shared, serve_shared)}.items():
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
        process.start()
        found[name] = median(lambda send=send, here=here: send(here, clip), rounds)  # type: ignore[misc]
        there.close()
        here.close()
        process.join()
    return found


def median(way: Callable[[], object], rounds: int) -> float:
    """Of its seconds, the first round left out."""
    way()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def copier(clip: Frames) -> Callable[[], None]:
    """Copies into the same memory each time."""
    target = np.empty_like(clip)
    return lambda: np.copyto(target, clip)


def looked_at(clip: Frames) -> Frames:
    """The clip, after a look at each page of it."""
    assert clip.reshape(-1)[::4096].any()
    return clip


def pickled(connection: Connection, clip: Frames) -> Frames:
    """There and back through the connection."""
    connection.send_bytes(pickle.dumps(clip, protocol=5))
    back: Frames = pickle.loads(connection.recv_bytes())
    return back


def serve_pickled(connection: Connection) -> None:
    """The other side."""
    with suppress(EOFError):
        while True:
            connection.send_bytes(pickle.dumps(looked_at(pickle.loads(connection.recv_bytes())), protocol=5))


def shared(connection: Connection, clip: Frames) -> Frames:
    """There and back by name."""
    memory = in_memory(clip)
    connection.send((memory.name, clip.shape))
    back = from_memory(connection.recv()[0], clip.shape)
    memory.close()
    memory.unlink()
    connection.send(None)
    return back


def serve_shared(connection: Connection) -> None:
    """The other side."""
    with suppress(EOFError):
        while True:
            name, shape = connection.recv()
            memory = in_memory(looked_at(from_memory(name, shape)))
            connection.send((memory.name,))
            connection.recv()
            memory.close()
            memory.unlink()


def in_memory(clip: Frames) -> SharedMemory:
    """A copy, by name."""
    memory = SharedMemory(create=True, size=clip.nbytes)
    np.copyto(np.ndarray(clip.shape, np.uint8, buffer=memory.buf), clip)
    return memory


def from_memory(name: str, shape: tuple[int, ...]) -> Frames:
    """A clip of one's own from it."""
    memory = SharedMemory(name=name)
    clip: Frames = np.ndarray(shape, np.uint8, buffer=memory.buf).copy()
    memory.close()
    return clip


if __name__ == "__main__":
    main()
