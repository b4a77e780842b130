"""The studio: talk an edit into shape, see why a sample was kept or dropped, overrule the judge, watch a campaign.

python -m agent.studio RUN [OTHER ...] [--port 8700] [--host H --token T] [--read-only] [--bundle DIR]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import command

TOKEN = "DITTO_STUDIO_TOKEN"


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.studio",
        description="Look at a run in the browser: conversations, traces of every sample, the campaign at a glance.",
        epilog="It changes nothing of a run itself: what people order there is left in its ledger for whoever owns it.",
    )
    made.add_argument("run", type=Path, metavar="RUN", help="the run's folder, as --out of agent.run gave it")
    made.add_argument(
        "others", type=Path, nargs="*", default=[], metavar="OTHER", help="other runs, to look at and to compare"
    )
    made.add_argument("--port", type=int, default=8700, help="0 takes a free one (default: %(default)s)")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on; others than this machine's own")
    made.add_argument(
        "--token",
        default=os.environ.get(TOKEN, ""),
        help=f"what people must know to get in where --host is not this machine's own (default: ${TOKEN})",
    )
    made.add_argument("--read-only", action="store_true", help="nobody can order anything")
    made.add_argument("--bundle", type=Path, metavar="DIR", help="write a copy for any file server instead of serving")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    return command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    # Loaded late: `--help` should not wait for a web server.
    if options.bundle is not None:
        from agent.studio.bundle import bundle

        return bundle(options)
    from agent.studio.serve import serve

    return serve(options)


if __name__ == "__main__":
    sys.exit(main())
