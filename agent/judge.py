"""Judge any pair of videos, whoever made it: a source, its edit, and the instruction between them.

python -m agent.judge SOURCE EDITED --instruction TEXT [--key-frame PNG] [--json]

Exit code: 0 whenever a judgement was made, whatever it says; 2 bad arguments or files that are no pair.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import CommandFailed, command

EPILOG = (
    "An axis that needs a key frame is not required without --key-frame, and 'distinct' never is: a pair by itself has "
    "no run to compare with. An instruction outside the catalogue leaves the pair unscored, unless a gate fails. "
    "Exit code: 0 whenever a judgement was made, 2 bad arguments or files that are no pair."
)


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.judge", description="Judge a pair of videos by measuring.", epilog=EPILOG
    )
    made.add_argument("source", type=Path, metavar="SOURCE", help="the video before")
    made.add_argument("edited", type=Path, metavar="EDITED", help="the video after: same frames, size and rate")
    made.add_argument("--instruction", required=True, metavar="TEXT", help="what was asked for")
    made.add_argument("--key-frame", type=Path, metavar="PNG", help="the edited key frame, which EDITED should follow")
    made.add_argument(
        "--key-frame-index", type=int, metavar="N", help="its place, counted from 0 (default: the middle)"
    )
    made.add_argument("--json", action="store_true", help="for scripts")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    return command(lambda: judge_files(options))


def judge_files(options: argparse.Namespace) -> int:
    """The command, after its arguments were parsed.

    Raises:
        CommandError: the files are no pair, or the key frame is none of it.
    """
    # Loaded late: `--help` should not wait for networks.
    from rich.console import Console

    from agent.context import build_pair_critic
    from agent.pair_files import read_pair
    from agent.pair_verdict import verdict_of
    from agent.profile import load_profile
    from agent.verdict_table import print_verdict
    from ditto_models.assets import AssetError

    profile = load_profile("embedded")
    pair = read_pair(options, profile.clips)
    try:
        verdict = verdict_of(pair, build_pair_critic(profile), profile.policy)
    except AssetError as error:
        raise CommandFailed(str(error)) from error
    if options.json:
        print(json.dumps(verdict.model_dump(mode="json", exclude={"rule"}), indent=1))
        return 0
    print_verdict(Console(), "pair", verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main())
