"""Owns a run while people talk in it: the session, the host of conversations, and when to end."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress

from agent.command import CommandError, CommandFailed
from agent.context import Models, build_models
from agent.conversation.handing_over import is_asked_for
from agent.conversation.host import ConversationHost
from agent.conversation.worker_log import ENDED, ERROR, WorkerLog
from agent.job import check_servers
from agent.log import log_event, logging_to
from agent.nodes import RunError
from agent.plain import plain
from agent.profile import Profile
from agent.run_config import saved_config
from agent.second_look import LookFailed
from agent.session import Session, open_session
from agent.settling import Settling
from agent.training.wiring import check_training
from ditto_models.settings import SettingsError
from memory.group_commit import LedgerError
from memory.instructions import MemoryDamaged
from memory.ledger import Ledger
from memory.owner import RunIsOwned
from memory.sample import Sample

WORKERS = 2
"""Threads of models: two people may talk at once."""
GLANCE_SECONDS = 0.2
"""Between looks at what people ask for."""
HANDED_OVER = "a campaign carries the conversations on"
FEW_CLIPS = 1
"""To choose from, below which the run's files are looked at."""


def serve(
    options: argparse.Namespace,
    log: WorkerLog,
    build: Callable[[Profile], Models] = build_models,
    prepare: Callable[[Session], object] = lambda session: None,
) -> int:
    """The command, after its arguments were parsed and its log was opened; returns the exit code."""
    try:
        why = _serve(options, log, build, prepare)
    except RunIsOwned as owned:
        log.say(f"{ENDED}{owned.holder} owns the run")
        return 0
    except (CommandError, CommandFailed, SettingsError, LedgerError, MemoryDamaged, RunError, OSError) as error:
        log.say(f"{ERROR}{plain(str(error))}")
        return 1
    except Exception as error:
        traceback.print_exc()
        log.say(f"{ERROR}{type(error).__name__}: {plain(str(error))}")
        raise SystemExit(1) from error
    log.say(f"{ENDED}{why}")
    return 0


def _serve(
    options: argparse.Namespace,
    log: WorkerLog,
    build: Callable[[Profile], Models],
    prepare: Callable[[Session], object],
) -> str:
    run, config = options.run, saved_config(options.run)
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        if is_asked_for(ledger):
            return HANDED_OVER
    models = build(config.profile)
    check_training(config.profile)
    check_servers(models)
    with open_session(run, config, models, WORKERS, log.say) as session, logging_to(run / "log.jsonl") as lines:
        prepare(session)
        session.listeners.append(lambda event, sample: log_event(lines, event, sample))
        log.say(f"serving conversations, pid {os.getpid()}")
        worker = Worker(session, options.idle, options.starter, log)
        why = asyncio.run(worker.run())
        if worker.has_added:
            session.write_card()
    return why


class Worker:
    """Serves a session until nobody needs it."""

    def __init__(self, session: Session, idle_seconds: float, starter: int, log: WorkerLog) -> None:
        self._session = session
        self._idle_seconds = idle_seconds
        self._starter = starter
        self._log = log
        self._settling = Settling(session)
        self._accepted_before = self._settling.accepted
        self._host = ConversationHost(session, self._settling, Quiet())
        self._stopping = asyncio.Event()

    @property
    def has_added(self) -> bool:
        """Whether the dataset has changed."""
        return self._settling.accepted != self._accepted_before

    async def run(self) -> str:
        """Serve to the end; returns why it ended.

        Raises:
            LedgerError, OSError, RunError: the run broke; everything the ledger has can be resumed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        for pool in self._session.pools:
            await pool.check()
        self._host.resume()
        looking = asyncio.create_task(self._look_for_clips())
        try:
            return await self._until_idle(looking)
        finally:
            self._session.parking = True
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            await self._host.park()

    async def _until_idle(self, looking: asyncio.Task[None]) -> str:
        busy_at = time.monotonic()
        while not self._stopping.is_set():
            self._host.collect()
            await self._settling.take_overrides()
            if is_asked_for(self._session.stores.ledger):
                return HANDED_OVER
            is_busy = await self._host.take_orders() or self._host.tasks or not looking.done()
            await self._settling.clear_away()
            if is_busy:
                busy_at = time.monotonic()
            elif self._starter and os.getppid() != self._starter:
                return "the one who started it is gone, and nothing is under way"
            elif time.monotonic() - busy_at > self._idle_seconds:
                return f"nobody has asked for anything for {self._idle_seconds:g} s"
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), GLANCE_SECONDS)
        return "it was told to stop"

    async def _look_for_clips(self) -> None:
        """People choose among the run's clips, so there must be some."""
        ledger = self._session.stores.ledger
        try:
            while ledger.sources.to_look_at(1) and sum(1 for _ in ledger.sources.uses()) < FEW_CLIPS:
                await self._session.take_in()
        except LookFailed as error:
            self._log.say(f"no clips to choose from yet: {error}")


class Quiet:
    """A reporter for nobody: people see their conversation."""

    def began(self, sample: Sample) -> None:
        """Nothing."""

    def stepped(self, sample: Sample, note: str) -> None:
        """Nothing."""

    def ended(self, sample: Sample) -> None:
        """Nothing."""
