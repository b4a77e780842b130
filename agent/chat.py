"""Talk an edit of one clip into shape, in the terminal.

python -m agent.chat [CLIP] [--out RUN] [--at SECONDS] [--continue ID] [--profile P] [--seed S] [key.path=value ...]

The agent answers with edits of a key frame, takes more words, makes the video that was chosen, and keeps the pair where
the person gives it. Reads lines from a pipe too. Exit code: 0, 2 bad arguments, 1 anything else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import command


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.chat",
        description="Talk an edit of one clip into shape: say what you want to see, look at previews, approve one.",
        epilog="Ctrl-C while the agent works cancels that work; Ctrl-C at the prompt leaves, and --continue goes on.",
    )
    made.add_argument(
        "clip", nargs="?", metavar="CLIP", help="a video, or the number of one of the run's clips (default: choose one)"
    )
    made.add_argument("--out", type=Path, default=Path("runs/default"), metavar="RUN", help="default: %(default)s")
    made.add_argument(
        "--at", type=_seconds, default=0.0, metavar="SECONDS", help="of a video: take the clip that holds this moment"
    )
    made.add_argument("--continue", dest="talk", metavar="ID", help="go on with a conversation of this run")
    made.add_argument("--clips", type=Path, metavar="DIR", help="of a new run: its videos (default: the sample clips)")
    made.add_argument("--profile", metavar="P", help="of a new run: a name or a .yaml file (default: embedded)")
    made.add_argument("--seed", type=int, metavar="S", help="of a new run (default: 0)")
    made.add_argument("overrides", nargs="*", metavar="key.path=value", help="of a new run: settings, changed")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_intermixed_args(arguments)
    if options.clip and "=" in options.clip and not Path(options.clip).exists():
        options.overrides, options.clip = [options.clip, *options.overrides], None
    return command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    # Loaded late: `--help` should not wait for video and networks.
    from agent.conversation.terminal import chat

    return chat(options)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 up")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
