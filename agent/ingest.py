"""Look at a folder of videos without making samples: every file's fate, and why windows were dropped.

python -m agent.ingest [--clips DIR] [--out RUN] [--profile P] [--seed S] [--json] [key.path=value ...]

`agent.run` with the same arguments goes on from there; it also does this by itself, as far as it needs clips.
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
        prog="python -m agent.ingest",
        description="Cut a folder of videos into clips, and say for every file and window what became of it.",
        epilog="exit code: 0 every file was looked at, 2 bad arguments, 1 anything else",
    )
    add_run_arguments(made)
    made.add_argument("--json", action="store_true", help="for scripts")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_intermixed_args(arguments)
    return command(lambda: _ingest(options))


def _ingest(options: argparse.Namespace) -> int:
    # Loaded late: `--help` should not wait for decoders.
    from agent.ingest_job import run_ingest

    return run_ingest(options)


if __name__ == "__main__":
    sys.exit(main())
