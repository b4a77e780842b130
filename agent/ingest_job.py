"""The command `agent.ingest`, after its arguments were parsed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from agent.command import CommandError, CommandFailed
from agent.context import build_networks
from agent.profile import ProfileError, load_profile
from agent.readiness import check_networks
from agent.run_config import RunConfig, clips_folder, make_run_folder, settle_config
from agent.second_look import LookFailed, SecondLook, build_second_look
from agent.source_models import build_decoder, build_source_models
from agent.source_report import NO_VIDEO, dropped_counts, file_counts, told
from agent.sources import Sources
from agent.stores import open_ledger
from ditto_models import assets
from ditto_models.executors.devices import NoDevice
from ditto_models.hardware_decoder import HardwareError
from memory.ledger import Ledger
from memory.owner import Owner, RunIsOwned
from memory.source_table import NOT_LOOKED_AT


def run_ingest(options: argparse.Namespace) -> int:
    """Look at every file of the folder that was not looked at yet; returns the exit code.

    Raises:
        CommandError: the arguments, the profile or the run's folder do not fit.
    """
    console = Console(stderr=options.json)
    try:
        profile = load_profile(options.profile, options.overrides)
        clips = clips_folder(options.clips, options.out)
        config = RunConfig(profile_name=options.profile, seed=options.seed, clips=str(clips.resolve()), profile=profile)
        build_source_models(profile)  # here, not in the decoder's process: what is missing is one line before we begin
        with ExitStack() as stack:
            # First: what is not there must leave no config behind that the mended command would be held against.
            networks = build_networks(profile.networks)
            stack.callback(networks.close)
            second = build_second_look(profile, networks)
            check_networks({"source": second.networks}, profile.clips)
            make_run_folder(options.out)
            stack.enter_context(Owner(options.out))
            settle_config(options.out, config, options.accept_config)
            ledger = stack.enter_context(open_ledger(options.out, lambda line: _say(console, line)))
            seconds = _look(config, second, options.out, ledger, console)
            _report(console, ledger, seconds, options)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    except (RunIsOwned, assets.AssetError, HardwareError, LookFailed, NoDevice) as error:
        raise CommandFailed(str(error)) from error
    return 0


def _look(config: RunConfig, second: SecondLook, run: Path, ledger: Ledger, console: Console) -> float:
    began = time.monotonic()
    columns = (TextColumn("{task.completed} of {task.total} files"), BarColumn(), TimeRemainingColumn())
    with ExitStack() as stack:
        decoder = build_decoder(config.profile.decoder, os.cpu_count() or 1)
        stack.callback(decoder.close)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("")

            def say(line: str) -> None:
                progress.advance(bar)
                _say(console, line)

            sources = Sources(ledger, decoder, second, config.profile, config.seed, say)
            sources.find(Path(config.clips), besides=run)
            progress.update(bar, total=file_counts(ledger)[NOT_LOOKED_AT])
            asyncio.run(_all(sources))
    return time.monotonic() - began


async def _all(sources: Sources) -> None:
    while await sources.take_in() is not None:
        pass


def _say(console: Console, line: str) -> None:
    console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _report(console: Console, ledger: Ledger, seconds: float, options: argparse.Namespace) -> None:
    files, windows = file_counts(ledger), dropped_counts(ledger)
    clips = sum(1 for _ in ledger.sources.uses())
    if options.json:
        report = {"files": dict(files), "clips": clips, "dropped": dict(windows), "seconds": round(seconds, 3)}
        print(json.dumps(report, indent=1))
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("files", told(files, NO_VIDEO))
    table.add_row("clips", str(clips))
    table.add_row("windows dropped", told(windows, "none"))
    table.add_row("time", f"{seconds:.1f} s")
    console.print(table)
    for line in (
        f"fates     python -m agent.inspect {options.out}",
        "samples   python -m agent.run --target N, and the same arguments",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
