"""Pairs an hour of whole runs, by the number of samples at once: python -m bench.throughput [--target 8]

Each run is the command that a user gives, in a process of its own, start included. Memory is the sum over its processes
of what is theirs alone plus their part of what they share (PSS), sampled a few times a second.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One run's."""

    pairs: int
    seconds: float
    cpu_seconds: float
    peak_mebibytes: float


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--target", type=int, default=8, help="accepted pairs a run (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="samples at once (default: 1 2)")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores; {options.target} accepted pairs a run, start included")
    print(f"{'at once':>8}{'seconds':>9}{'CPU-s a pair':>14}{'pairs/hour':>12}{'a core in use':>15}{'peak MiB':>10}")
    for workers in options.workers:
        found = measure(options.target, workers)
        hourly = found.pairs / found.seconds * 3600
        used = found.cpu_seconds / found.seconds
        print(
            f"{workers:8}{found.seconds:9.1f}{found.cpu_seconds / found.pairs:14.2f}{hourly:12.0f}"
            f"{hourly / used:15.0f}{found.peak_mebibytes:10.0f}"
        )


def measure(target: int, workers: int) -> Figures:
    """Run once in an empty folder.

    Raises:
        RuntimeError: the run did not meet its target.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "agent.run", "--target", str(target), "--concurrency", str(workers)]
        before, began, peak = _children_cpu_seconds(), time.perf_counter(), 0.0
        run = subprocess.Popen([*command, "--out", folder], stdout=subprocess.DEVNULL)
        while run.poll() is None:
            peak = max(peak, sum(map(_proportional_mebibytes, _tree(run.pid))))
            time.sleep(SAMPLE_SECONDS)
        if run.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}; run it by hand to see why")
        seconds = time.perf_counter() - began
        cpu_seconds = _children_cpu_seconds() - before
    return Figures(pairs=target, seconds=seconds, cpu_seconds=cpu_seconds, peak_mebibytes=peak)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(pid: int) -> Iterator[int]:
    """A process and all that it has begun."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from _tree(int(child))


def _proportional_mebibytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
