"""One session of the main job: settle the configuration, ingest, run the campaign, say how it went."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import structlog
from rich.console import Console

from agent.campaign import Campaign, Limits, Outcome, Reporter
from agent.command import CommandError, CommandFailed
from agent.context import Models, build_models
from agent.conversation.handing_over import taken_over
from agent.disk import Room, bytes_wanted, disk_use, free_bytes
from agent.diversity import Diversity
from agent.inspect.jobs import print_jobs
from agent.log import log_event, logging_to
from agent.nodes import RunError
from agent.profile import Profile, ProfileError, load_profile
from agent.progress import LiveReporter, PlainReporter, summary
from agent.readiness import check_networks, slots_of
from agent.run_arguments import told_arguments
from agent.run_config import RunConfig, clips_folder
from agent.second_look import LookFailed
from agent.session import Session, open_session
from agent.source_models import build_window_networks
from agent.source_report import NO_VIDEO, file_counts, told
from agent.training.wiring import check_training
from ditto_models import assets
from ditto_models.executors.devices import NoDevice
from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.hardware_decoder import HardwareError
from ditto_models.vllm_embedder import EmbedderError, VllmEmbedder
from ditto_models.vllm_servers import ServersError
from memory.instructions import MemoryDamaged
from memory.owner import RunIsOwned

if TYPE_CHECKING:
    from ditto_models.vllm_pool import ServerPool

EXIT_CODES: dict[Outcome, int] = {"target met": 0, "stopped": 1, "disk nearly full": 1}
EXIT_EXHAUSTED = 3
"""Of every other outcome: clips or a budget were used up first."""


def run_job(options: argparse.Namespace) -> int:
    """The command `agent.run`, after its arguments were parsed; returns the exit code.

    Raises:
        CommandError: the arguments, the profile or the run's folder do not fit.
    """
    console = Console()

    def dimly(line: str) -> None:
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

    try:
        profile = load_profile(options.profile, options.overrides)
        clips = clips_folder(options.clips, options.out)
        config = RunConfig(profile_name=options.profile, seed=options.seed, clips=str(clips.resolve()), profile=profile)
        # A profile that cannot be built must leave no config behind that the mended command would be held against.
        models = build_models(profile)
        check_training(profile)
        _check_room(options, profile)
        check_servers(models)
        check_networks(slots_of(models, build_window_networks(profile)), profile.clips)
        with (
            taken_over(options.out, dimly) as is_owned,
            open_session(options.out, config, models, options.concurrency, dimly, options.accept_config) as session,
            logging_to(options.out / "log.jsonl") as log,
        ):
            is_owned(session.stores.ledger)
            _warn_of_room(session, options.target, dimly)
            return _campaign(session, options, console, log)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    except (RunIsOwned, assets.AssetError, MemoryDamaged, EmbedderError, HardwareError, RunError) as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"{error}; nothing accepted is lost: mend it, and the same command resumes") from error


def _check_room(options: argparse.Namespace, profile: Profile) -> None:
    room = Room(config=profile.disk, free=partial(free_bytes, options.out))
    if shortage := room.shortage(bytes_wanted(options.target, profile.clips)):
        raise CommandFailed(f"run {str(options.out)!r} cannot be begun or resumed: {shortage}")


def check_servers(models: Models) -> None:
    """Refuse servers that cannot be used before the run's folder is made: mended, the command is another one.

    Raises:
        CommandFailed: none answers, or none serves the model.
    """
    try:
        asyncio.run(_look_at(models.leads.pools))
        if isinstance(models.embedder, VllmEmbedder):
            models.embedder.check()
    except (ServersError, EmbedderError) as error:
        raise CommandFailed(str(error)) from error


async def _look_at(pools: Sequence[ServerPool]) -> None:
    for pool in pools:
        try:
            await pool.check()
        finally:
            await pool.close()  # each at once, or what is found wrong is told before there is a log


def _warn_of_room(session: Session, target: int, say: Callable[[str], None]) -> None:
    made, use = session.stores.ledger.counts().get("accepted", 0), disk_use(session.run)
    if warning := session.room.warning(bytes_wanted(target - made, session.profile.clips, made, use.artifacts)):
        say(warning)


def _campaign(
    session: Session,
    options: argparse.Namespace,
    console: Console,
    log: structlog.stdlib.BoundLogger,
) -> int:
    limits = Limits(
        target=options.target,
        concurrency=options.concurrency,
        max_candidates=options.max_candidates,
        gpu_hours=options.gpu_hours,
        wall_hours=options.max_hours,
    )
    session.listeners.append(lambda event, sample: log_event(log, event, sample))
    for pool in session.pools:
        pool.on_change = partial(_say_of, "servers", console, log)
    session.training.say = partial(_say_of, "training", console, log)
    session.tenure.say = partial(_say_of, "campaign", console, log)
    session.tenure.command = shlex.join(["python", "-m", "agent.run", *told_arguments(options)])
    log.info("session begun", target=limits.target, config_hash=session.profile.hash)
    with ExitStack() as stack:
        campaign = Campaign(session, limits, _reporter(console, session, limits, stack))
        try:
            outcome = asyncio.run(_run(campaign, session))
        except (ServersError, EmbedderError, NoDevice, LookFailed) as error:
            raise CommandFailed(f"{error}; the same command resumes") from error
        except CannotLoad as error:
            how = "the same command resumes, with --accept-config where a setting was changed"
            raise CommandFailed(f"{error}; once that is mended, {how}") from error
    variety = session.write_card()
    log.info("session ended", outcome=outcome)
    _say_how_it_went(console, session, outcome, options.target, variety)
    return EXIT_CODES.get(outcome, EXIT_EXHAUSTED)


async def _run(campaign: Campaign, session: Session) -> Outcome:
    for pool in session.pools:
        await pool.check()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, campaign.stop)
    return await campaign.run()


def _reporter(console: Console, session: Session, limits: Limits, stack: ExitStack) -> Reporter:
    if not console.is_terminal:
        return PlainReporter(console)
    accepted = session.stores.ledger.counts().get("accepted", 0)
    return stack.enter_context(LiveReporter(console, limits.target, accepted))


def _say_of(what: str, console: Console, log: structlog.stdlib.BoundLogger, line: str) -> None:
    console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    log.warning(what, note=line)


def _say_how_it_went(console: Console, session: Session, outcome: Outcome, target: int, variety: Diversity) -> None:
    ledger, reasons, kinds, seconds = session.stores.ledger, Counter[str](), Counter[str](), 0.0
    for row in ledger.rows():
        seconds += row.sample.model_seconds
        if row.sample.decision == "accepted" and row.sample.instruction:
            kinds[row.sample.instruction.edit_type] += 1
        elif row.sample.decision:
            reasons.update(row.sample.reasons)
    counts = ledger.counts()
    console.print(f"\n[bold]{outcome}[/]: {counts.get('accepted', 0)} of {target} pairs accepted")
    console.print(summary(counts, reasons, kinds, seconds, variety))
    if outcome == "clips used up":
        console.print(f"  sources: {told(file_counts(ledger), NO_VIDEO)}", highlight=False, markup=False)
    print_jobs(ledger, session.run, console)
    where = (
        f"disk      {disk_use(session.run)}",
        f"dataset   {session.run / 'dataset'}",
        f"traces    python -m agent.inspect {session.run}",
        f"studio    python -m agent.studio {session.run}",
    )
    for line in where:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if outcome == "stopped":
        console.print("the same command resumes where it stopped")
    if outcome == "disk nearly full":
        least = f"less than disk.min_free_gb={session.profile.disk.min_free_gb:g} is free"
        console.print(f"{least}; make room, and the same command resumes", highlight=False, soft_wrap=True)
