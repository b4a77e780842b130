"""Judge many pairs, one row after another, and report: `python -m agent.judge --dataset PATH`."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agent.command import CommandError, CommandFailed
from agent.judge.judged import Judged
from agent.judge.pair_list import ListedPair, list_pairs
from agent.judge.tally import Tally

if TYPE_CHECKING:
    from agent.judge.rows_progress import RowsProgress
    from agent.profile import Profile

WORKER_GIB = 6.0
"""Of address space; the longest pair, 300 frames of 640x360 with a key frame, took 2.4."""
STALL_SECONDS = 300
"""For reading a pair, and again for judging it."""


def judge_dataset(options: argparse.Namespace) -> int:
    """The command with --dataset, after its arguments were parsed.

    Returns 0 whenever all was judged, 1 where a person stopped it: what was judged until then is reported.

    Raises:
        CommandError: there is no such list, or a report cannot be written where it should be.
        CommandFailed: a bundled weight cannot be had.
    """
    # Loaded late: `--help` should not wait for networks.
    from rich.console import Console

    from agent.judge.rows_progress import RowsProgress
    from agent.judge.text import print_tally
    from agent.profile import ProfileError, load_profile

    num_rows = sum(1 for _ in list_pairs(options.dataset))
    if not num_rows:
        raise CommandError(f"--dataset {str(options.dataset)!r} lists no pair; expected at least one row")
    try:
        profile, tally = load_profile(options.profile, options.overrides), Tally(options.worst)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    with ExitStack() as stack:
        stop = stack.enter_context(stopped_by_a_person())
        page = stack.enter_context(replacing(options.html, "--html")) if options.html else None
        lines = stack.enter_context(replacing(options.jsonl, "--jsonl")) if options.jsonl else None
        judged = stack.enter_context(judging(list_pairs(options.dataset), profile, options.workers, bool(options.html)))
        take_in(judged, tally, RowsProgress(num_rows, stop), _tellers(options, lines), stop)
        stopped = stop.is_set() and tally.num_judged < num_rows
        if page:
            from agent.reports.page import judge_page

            page.write(judge_page(tally, str(options.dataset), num_rows, stopped, profile))
    if options.json:
        _end_json(tally, stopped, options)
    else:
        print_tally(Console(), tally, num_rows, stopped)
    return int(stopped)


@contextmanager
def judging(rows: Iterable[ListedPair], profile: Profile, workers: int, with_sheet: bool) -> Iterator[Iterator[Judged]]:
    """The rows, judged in worker processes: a file that crashes, hangs or fills the memory costs its row alone.

    Raises:
        CommandError: a kind or a setting of the profile is unknown.
        CommandFailed: a bundled weight cannot be had, no server answers, or workers cannot work.
    """
    from agent.judge.pair import asking
    from agent.judge.rows import judge_rows
    from ditto_models.assets import AssetError
    from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor

    with ExitStack() as stack:
        asked = stack.enter_context(asking(profile))
        limits = IsolatedConfig(memory_gib=WORKER_GIB, stall_seconds=STALL_SECONDS)
        executor = stack.enter_context(closing(IsolatedExecutor(workers, limits)))
        judged = judge_rows(rows, executor, profile, workers, with_sheet, asked.ask, asked.give_up)
        try:
            yield stack.enter_context(closing(judged))
        except AssetError as error:
            raise CommandFailed(str(error)) from error
        except BrokenProcessPool as error:
            raise CommandFailed(
                "worker processes end before they work; free some memory, or try --workers 1"
            ) from error


@contextmanager
def stopped_by_a_person() -> Iterator[threading.Event]:
    """Set by Ctrl-C, so that the row in hand is told of whole; Ctrl-C again ends at once."""
    stop = threading.Event()

    def asked(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def take_in(
    judged: Iterator[Judged],
    tally: Tally,
    progress: RowsProgress,
    tellers: Iterable[Callable[[Judged], None]],
    stop: threading.Event,
) -> None:
    """Count in and tell of every row, until the last or until a person stops it."""
    with progress:
        for one in judged:
            tally.add(one)
            for tell in tellers:
                tell(one)
            progress.judged(tally.counts)
            if stop.is_set():
                return


def _tellers(options: argparse.Namespace, lines: TextIO | None) -> list[Callable[[Judged], None]]:
    """Who is told of every judged pair: the file of --jsonl, or else, with --json, standard output."""
    if lines:
        return [lambda judged: print(json.dumps(judged.as_json()), file=lines, flush=True)]
    if not options.json:
        return []
    opening = iter(('{"pairs": [\n',))
    return [lambda judged: print(next(opening, ",\n") + json.dumps(judged.as_json()), end="", flush=True)]


def _end_json(tally: Tally, stopped: bool, options: argparse.Namespace) -> None:
    """What follows the pairs; nothing was printed before where they went to a file or there was none."""
    rest = json.dumps(tally.as_json() | {"stopped": stopped}, indent=1)
    if options.jsonl:
        print(rest)
    elif tally.num_judged:
        print(f"\n],{rest.removeprefix('{')}")
    else:
        print(f'{{"pairs": [],{rest.removeprefix("{")}')


@contextmanager
def replacing(path: Path, option: str) -> Iterator[TextIO]:
    """A file that gets its name when the block ends well; a place that cannot be written is told before hours of work.

    Raises:
        CommandError: there is no such folder, or no file can be written there.
        OSError: the disk is full or broken.
    """
    # Loaded late: `--help` should not wait for a decoder.
    from ditto_models.video import DISK_ERRORS

    if path.exists() and not path.is_file():
        raise CommandError(f"{option} {str(path)!r} is there and no file; give the name of a new one")
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        file = temporary.open("x", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise CommandError(f"{option} {str(path)!r} cannot be written: {error}; give another place") from error
    try:
        with file:
            yield file
        temporary.rename(path)
    except OSError as error:
        if error.errno in DISK_ERRORS and not error.filename:
            what = f"{error.strerror} while {option} {str(path)!r} was written"
            raise OSError(error.errno, what) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
