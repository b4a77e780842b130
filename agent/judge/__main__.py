"""Judge any pairs of videos, whoever made them: a source, its edit, and the instruction between them.

python -m agent.judge SOURCE EDITED --instruction TEXT [--key-frame PNG] [--json]
python -m agent.judge --dataset PATH [--html FILE] [--jsonl FILE] [--worst N] [--workers N] [--json]
Both take --profile P and --set key.path=value: with a profile that has a model to judge, it is asked as well.

Exit code: 0 whenever a judgement was made, whatever it says; 2 bad arguments or files that are no pair.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.command import CommandError, CommandFailed, command

EPILOG = (
    "PATH is a RUN, its dataset, or a CSV or JSONL file from anywhere. Of a file, headers or keys are: source (or "
    "source_path, source_video, source_file_name, vace_video), edited (edited_path, edited_video, edited_file_name, "
    "video), instruction (prompt), and where there are any key_frame (key_frame_path, key_frame_edited_path), "
    "key_frame_index and id; others are passed over. Commas, semicolons or tabs separate the columns of a CSV file. "
    "Relative paths start at the file's folder. A row that is no pair is 'unreadable', with its reason, and the others "
    "go on. "
    "An axis that needs a key frame is not required without --key-frame (in a list: without key_frame), and "
    "'distinct' never is: a pair by itself has no run to compare with. By measuring alone, an instruction outside the "
    "catalogue leaves the pair unscored, unless an axis fails. "
    "Exit code: 0 whenever a judgement was made, 2 bad arguments or files that are no pair, 1 anything else."
)
OF_ONE = ("source", "edited", "instruction", "key_frame", "key_frame_index")
OF_MANY = ("html", "jsonl", "worst", "workers")
WORST, WORKERS = 24, 2


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.judge",
        usage="%(prog)s SOURCE EDITED --instruction TEXT [--key-frame PNG [--key-frame-index N]] [--json]\n"
        "       %(prog)s --dataset PATH [--html FILE] [--jsonl FILE] [--worst N] [--workers N] [--json]",
        description="Judge pairs of videos: by measuring, and with --profile served by a served model as well.",
        epilog=EPILOG,
    )
    made.add_argument("--json", action="store_true", help="for scripts")
    made.add_argument("--profile", default="embedded", metavar="P", help="whose critic, judge and thresholds")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change a setting of the profile, e.g. policy.thresholds.safety=0.3; may be given again",
    )
    one = made.add_argument_group("one pair")
    one.add_argument("source", nargs="?", type=Path, metavar="SOURCE", help="the video before")
    one.add_argument(
        "edited", nargs="?", type=Path, metavar="EDITED", help="the video after: same frames, size and rate"
    )
    one.add_argument("--instruction", metavar="TEXT", help="what was asked for")
    one.add_argument("--key-frame", type=Path, metavar="PNG", help="the edited key frame, which EDITED should follow")
    one.add_argument("--key-frame-index", type=int, metavar="N", help="its place, counted from 0 (default: the middle)")
    many = made.add_argument_group("many pairs")
    many.add_argument("--dataset", type=Path, metavar="PATH", help="a RUN, its dataset, or a .csv or .jsonl file")
    many.add_argument("--html", type=Path, metavar="FILE", help="write a report with contact sheets, in one file")
    many.add_argument("--jsonl", type=Path, metavar="FILE", help="write the pairs here, a line each, not with --json")
    many.add_argument(
        "--worst", type=_whole(0), metavar="N", help=f"pairs nearest to failing that --html shows (default: {WORST})"
    )
    many.add_argument("--workers", type=_whole(1), metavar="N", help=f"pairs judged at once (default: {WORKERS})")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    made = parser()
    options = made.parse_args(arguments)
    if options.dataset is None and not (options.source and options.edited and options.instruction is not None):
        made.error("the following arguments are required: SOURCE, EDITED and --instruction, or --dataset")
    return command(lambda: _judge(options))


def _judge(options: argparse.Namespace) -> int:
    strangers = OF_ONE if options.dataset else OF_MANY
    given = [_said(name) for name in strangers if getattr(options, name) is not None]
    if given:
        kind = "with" if options.dataset else "without"
        raise CommandError(f"{', '.join(given)} has no meaning {kind} --dataset; leave it out")
    if options.dataset is None:
        return judge_files(options)
    from agent.judge.dataset import judge_dataset

    options.worst = WORST if options.worst is None else options.worst
    options.workers = options.workers or WORKERS
    return judge_dataset(options)


def _said(name: str) -> str:
    return name.upper() if name in ("source", "edited") else f"--{name.replace('_', '-')}"


def judge_files(options: argparse.Namespace) -> int:
    """The command for one pair, after its arguments were parsed.

    Raises:
        CommandError: the files are no pair, the key frame is none of it, or the profile cannot be used.
        CommandFailed: a bundled weight cannot be had, or no server answers that the profile asks.
    """
    # Loaded late: `--help` should not wait for networks.
    from rich.console import Console

    from agent.judge.pair import judge_pair
    from agent.judge.pair_files import PairFiles, read_pair
    from agent.profile import ProfileError, load_profile
    from agent.verdict_table import print_verdict
    from ditto_models.assets import AssetError

    try:
        profile = load_profile(options.profile, options.overrides)
        pair = read_pair(PairFiles(**{name: getattr(options, name) for name in OF_ONE}), profile.clips)
        verdict = judge_pair(pair, profile)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    except AssetError as error:
        raise CommandFailed(str(error)) from error
    if options.json:
        print(json.dumps(verdict.model_dump(mode="json", exclude={"rule"}), indent=1))
        return 0
    print_verdict(Console(), "pair", verdict)
    return 0


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
