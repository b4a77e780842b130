"""Evaluate a video editor, or the dataset it is trained on: by CLIP, by the judge and by measuring, per edit type.

python -m agent.evaluate --data RUN/dataset [--model CKPT | --edits DIR] [--split test] [--html FILE] [--json]
python -m agent.evaluate --data BENCHMARK --layout openve|editverse|ivebench (--model CKPT | --edits DIR)

Exit code: 0 evaluated, whatever the figures say; 1 stopped by a person, or something failed; 2 bad arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import command

EPILOG = (
    "Without --model and --edits, the dataset's own edits are scored: what an editor is to reach. With --model they "
    "are made by that Editto, from the instruction alone, and kept in --out, where the same command goes on. A pair "
    "that cannot be read or edited is named and counted, and the others go on. What the profile has no model for (VLM: "
    "judge; CLIP-T and CLIP-F: clip_scores) is null. docs/evaluation.md says what the figures are, and how to get the "
    "benchmarks. Exit code: 0 evaluated, 1 stopped by a person or failed, 2 bad arguments."
)
SHOWN, WORKERS = 6, 2


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.evaluate",
        description="Evaluate a video editor, or the dataset it is trained on, per edit type.",
        epilog=EPILOG,
    )
    add = made.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help="a RUN, its dataset, or the folder of a benchmark")
    add("--layout", default="auto", choices=("auto", "ditto", "openve", "editverse", "ivebench"), help="what PATH is")
    add("--split", choices=("train", "validation", "test", "all"), help="of our own dataset (default: test)")
    add("--most", type=_from_one, metavar="N", help="evaluate N pairs, drawn the same way each time (default: all)")
    edits = made.add_mutually_exclusive_group()
    edits.add_argument("--model", type=Path, metavar="CKPT", help="the --out of ditto_models.train: it makes the edits")
    edits.add_argument("--edits", type=Path, metavar="DIR", help="edits that were made already, ID.mp4 each")
    add("--out", type=Path, metavar="DIR", help="where the edits of --model are kept (default: CKPT/evaluation)")
    add("--base", metavar="REPO", help="what a .safetensors file given as CKPT was trained of")
    add(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="a setting of the model, as of ditto_models.edit, e.g. sampling.num_steps=30; may be given again",
    )
    add(
        "--against",
        type=Path,
        metavar="FILE",
        help="what --json printed of another editor: how far this one is from it",
    )
    add("--html", type=Path, metavar="FILE", help="write a report with contact sheets, in one file")
    add("--shown", type=_from_one, default=SHOWN, metavar="N", help="best and worst pairs in it (default: %(default)s)")
    add("--json", action="store_true", help="for scripts")
    add("--workers", type=_from_one, default=WORKERS, metavar="N", help="pairs judged at once (default: %(default)s)")
    add("--profile", default="embedded", metavar="P", help="whose critic, judge and CLIP (default: %(default)s)")
    add("overrides", nargs="*", metavar="key.path=value", help="settings of the profile, changed")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_intermixed_args(arguments)
    return command(lambda: _evaluate(options))


def _evaluate(options: argparse.Namespace) -> int:
    # Loaded late: `--help` should not wait for networks.
    from agent.evaluate.run import evaluate

    return evaluate(options)


def _from_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
