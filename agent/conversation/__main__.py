"""A process that owns a run while people talk in it; the studio and the terminal start it by themselves.

python -m agent.conversation RUN [--idle SECONDS]

It carries out what people ask for (RUN/talk.log says how it fares) and ends once nothing is under way and nobody has
said anything for a while. SIGTERM ends it after the steps that are under way. Exit code: 0, or 1 where it cannot start.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import CommandError, command
from agent.conversation.worker_log import worker_log

IDLE_SECONDS = 300.0


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.conversation",
        description="Carry out what people ask for in the conversations of a run, until nobody asks any more.",
        epilog="agent.chat and agent.studio start it by themselves where nobody owns the run.",
    )
    made.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    made.add_argument(
        "--idle",
        type=float,
        default=IDLE_SECONDS,
        metavar="SECONDS",
        help="end when nothing was asked for so long (default: %(default)g)",
    )
    made.add_argument(
        "--starter",
        type=int,
        default=0,
        metavar="PID",
        help="end when this parent process is gone and all is done",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    return command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if not (options.run / "config.yaml").is_file():
        raise CommandError(f"{str(options.run)!r} is no run: it has no config.yaml; expected the --out of agent.run")
    with worker_log(options.run) as log:
        if log is None:
            return 0
        # Loaded late: `--help` should not wait for graphs and networks, nor should one that is not needed.
        from agent.conversation.worker import serve

        return serve(options, log)


if __name__ == "__main__":
    sys.exit(main())
