"""Opens the runs and serves the studio until it is stopped."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import uvicorn

from agent.studio.app import Studio, create_app
from agent.studio.pages import Pages
from agent.studio.runs import open_runs


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the command's exit code.

    Raises:
        CommandError: a folder is no run.
        LedgerError: a ledger is damaged.
    """
    runs = open_runs([options.run, *options.others], options.read_only)
    pages = Pages(runs, options.read_only)
    with tempfile.TemporaryDirectory(prefix="ditto-studio-") as scratch:
        app = create_app(Studio(runs=runs, pages=pages, scratch=Path(scratch), read_only=options.read_only))
        print(f"studio of {options.run} on http://{options.host}:{options.port} (Ctrl-C ends it)")
        uvicorn.run(app, host=options.host, port=options.port, log_level="warning")
    return 0
