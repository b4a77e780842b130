"""The main job: from a folder of clips to accepted edit pairs.

python -m agent.run --target N [--clips DIR] [--out RUN] [--profile P] [--seed S] [key.path=value ...]

The same command resumes. Exit code: 0 target met, 3 clips or a budget used up first, 2 bad arguments, 1 anything else,
for example a disk that is nearly full (disk.min_free_gb).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from agent.command import command
from agent.run_arguments import add_run_arguments


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.run",
        description="Make accepted edit pairs from a folder of clips. The same command resumes.",
        epilog="exit code: 0 target met, 3 clips or a budget used up first, 2 bad arguments, 1 anything else, "
        "for example a disk with less than disk.min_free_gb free: make room, and the same command resumes",
    )
    made.add_argument("--target", type=_positive, required=True, metavar="N", help="accepted pairs wanted in the run")
    add_run_arguments(made)
    made.add_argument("--max-candidates", type=_positive, metavar="M", help="samples begun, at most")
    made.add_argument("--gpu-hours", type=_hours, metavar="H", help="GPU time of the run, at most")
    made.add_argument("--max-hours", type=_hours, metavar="H", help="time of this session, at most; pauses count")
    made.add_argument(
        "--concurrency", type=_positive, default=2, metavar="C", help="samples at once (default: %(default)s)"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_intermixed_args(arguments)
    return command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    # Loaded late: `--help` should not wait for graphs and networks.
    from agent.job import run_job

    return run_job(options)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours above 0")
    return hours


if __name__ == "__main__":
    sys.exit(main())
