"""Export a run's accepted pairs as webdataset or parquet shards, or its conversations as refinements.

python -m agent.export RUN --format webdataset|parquet --out DIR [--shard-size N | --max-shard-mb M]
                       [--split train|validation|test] [--json]
python -m agent.export RUN --format refinements --out DIR [--include-private] [--split ...] [--json]

The run may go on meanwhile: what is exported is the dataset as it stood when the command began.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.command import CommandError, CommandFailed, command

if TYPE_CHECKING:
    from agent.export.folder import Limits, Shard, ShardFormat
    from agent.export.snapshot import Snapshot

DEFAULT_SHARD_MB = 512
LIBRARIES = {"webdataset": "webdataset", "parquet": "pyarrow"}
REFINEMENTS = "refinements"
EPILOG = (
    "Beside the shards stands index.json: splits, config hashes, and for each shard its pairs, size and sha256. "
    "DIR appears only when the export is whole. Equal pairs give equal files. The libraries come with "
    "pip install '.[export]'. Refinements are conversations (agent.chat, agent.studio): one line each in "
    "refinements.jsonl, with every turn, and beside it the key frames and videos that were shown. Only those are "
    "exported whose person gave the result to the dataset; --include-private exports all others too, which nobody "
    "agreed to give away: keep them to yourself. "
    "Exit code: 0 exported, 2 bad arguments or nothing to export, 1 anything else."
)


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.export", description="Export a run's accepted pairs, or its conversations.", epilog=EPILOG
    )
    made.add_argument("run", type=Path, metavar="RUN", help="the run's folder, or its dataset")
    made.add_argument(
        "--format",
        choices=(*LIBRARIES, REFINEMENTS),
        required=True,
        help="tar shards, parquet with the files inside, or conversations turn by turn",
    )
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    size = made.add_mutually_exclusive_group()
    size.add_argument("--shard-size", type=_positive, metavar="N", help="pairs in a shard, at most")
    size.add_argument(
        "--max-shard-mb",
        type=_positive,
        metavar="M",
        help=f"MB of media in a shard, at most, but one pair always fits (default: {DEFAULT_SHARD_MB})",
    )
    made.add_argument("--split", choices=("train", "validation", "test"), help="only this one (default: all)")
    made.add_argument(
        "--include-private",
        action="store_true",
        help="refinements: also conversations whose person did not give them to the dataset, and open ones",
    )
    made.add_argument("--json", action="store_true", help="for scripts: print index.json")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    return command(lambda: export(options))


def export(options: argparse.Namespace) -> int:
    """The command, after its arguments were parsed.

    Raises:
        CommandError: there is nothing to export, or --out holds something.
        CommandFailed: a library is missing, the dataset cannot be read, or the disk is full.
    """
    from agent.dataset_folder import dataset_folder
    from agent.export.folder import new_folder
    from agent.export.snapshot import take_snapshot

    if options.format == REFINEMENTS:
        return _refinements(options)
    if options.include_private:
        raise CommandError(
            f"--include-private is for --format {REFINEMENTS}; the pairs of a dataset were all given to it"
        )
    _check_library(options.format)
    dataset = dataset_folder(options.run)
    with new_folder(options.out) as folder:
        notes = folder / ".snapshot"
        notes.mkdir()
        snapshot = take_snapshot(dataset, notes)
        shards = _write(folder, snapshot, options)
    if options.json:
        print((options.out / "index.json").read_text(encoding="utf-8"), end="")
    else:
        _print(shards, snapshot.torn, options)
    return 0


def _refinements(options: argparse.Namespace) -> int:
    from agent.export.folder import new_folder
    from agent.export.refinements import LINES, write_refinements
    from memory.group_commit import LedgerError

    if options.shard_size or options.max_shard_mb:
        raise CommandError(f"--format {REFINEMENTS} writes one file; leave out --shard-size and --max-shard-mb")
    with new_folder(options.out) as folder:
        try:
            found = write_refinements(folder, options.run, options.split, options.include_private)
        except LedgerError as error:
            raise CommandFailed(str(error)) from error
        if not found.splits:
            which = f"; {found.left_out} are private or not ended (see --include-private)" if found.left_out else ""
            raise CommandError(f"{str(options.run)!r} has no conversation to export{which}")
    if options.json:
        print((options.out / "index.json").read_text(encoding="utf-8"), end="")
        return 0
    count = found.splits.total()
    private = f", {found.private} of them private: nobody agreed to give those away" if found.private else ""
    print(f"{count} conversation{'' if count == 1 else 's'} in {options.out}{private}; load with:")
    print(f'  datasets.load_dataset("json", data_files="{options.out}/{LINES}")')
    return 0


def _write(folder: Path, snapshot: Snapshot, options: argparse.Namespace) -> list[Shard]:
    import shutil

    from rich.console import Console
    from rich.progress import Progress

    from agent.export.folder import SPLITS, write_index, write_split

    splits = (options.split,) if options.split else SPLITS
    total = sum(snapshot.splits[split] for split in splits)
    if not total:
        found = ", ".join(f"{count} {split}" for split, count in snapshot.splits.items()) or "no whole pair"
        raise CommandError(f"{str(options.run)!r} has nothing to export: it has {found}; choose another split, or none")
    kind, limits = _format(options.format, snapshot), _limits(options)
    console = Console(stderr=True)
    shards: list[Shard] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("exporting", total=total)
        for split in splits:
            shards += write_split(folder, snapshot, split, kind, limits, lambda _: progress.advance(task))
    shutil.rmtree(snapshot.folder)
    write_index(folder, options.format, snapshot, shards)
    return shards


def _format(name: str, snapshot: Snapshot) -> ShardFormat:
    if name == "parquet":
        from agent.export.parquet import ParquetFormat

        return ParquetFormat(snapshot)
    from agent.export.webdataset import WebdatasetFormat

    return WebdatasetFormat()


def _limits(options: argparse.Namespace) -> Limits:
    from agent.export.folder import Limits

    if options.shard_size:
        return Limits(num_pairs=options.shard_size)
    return Limits(num_bytes=(options.max_shard_mb or DEFAULT_SHARD_MB) * 1_000_000)


def _check_library(form: str) -> None:
    if importlib.util.find_spec(LIBRARIES[form]) is None:
        raise CommandFailed(
            f"--format {form} needs the library {LIBRARIES[form]!r}, which is not installed; "
            "install it: .venv/bin/python -m pip install -c requirements/constraints.txt '.[export]'"
        )


def _print(shards: Sequence[Shard], torn: int, options: argparse.Namespace) -> None:
    for shard in shards:
        print(f"{shard.file}  {_pairs(len(shard.pairs))}, {shard.num_bytes / 1e6:.1f} MB")
    if torn:
        print("a pair whose metadata was being written is not exported")
    print(f"{_pairs(sum(len(shard.pairs) for shard in shards))} in {options.out}; load with:")
    if options.format == "parquet":
        print(f'  datasets.load_dataset("parquet", data_dir="{options.out}")')
        return
    for split in dict.fromkeys(shard.split for shard in shards):
        last = sum(shard.split == split for shard in shards) - 1
        urls = f"{options.out}/{split}-{{000000..{last:06d}}}.tar"
        print(f'  webdataset.WebDataset("{urls}", shardshuffle=False)')


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
