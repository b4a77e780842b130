"""A campaign's time on a run: its session in the ledger, and whether it is paused (pause.py says what that means)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from agent.pause import KINDS, PauseOrder
from agent.provenance import code_version
from agent.run_config import RunConfig
from memory.group_commit import LedgerError, now
from memory.ledger import Ledger
from memory.sample import Sample
from memory.sessions import CampaignSession

if TYPE_CHECKING:
    from agent.campaign import Limits


class Tenure:
    """Of one session. Only for the run's owner."""

    def __init__(self, ledger: Ledger, config: RunConfig, say: Callable[[str], None]) -> None:
        self.say = say
        self.command = ""
        """That goes on with the run, for people; empty where it is not known."""
        self.is_paused = False
        self.outcome = ""
        self._ledger = ledger
        self._config = config
        self._session: CampaignSession | None = None
        self._paused_since = 0.0

    def holds(self, sample: Sample) -> bool:
        """Whether a sample should wait before its next step; a person in a conversation never waits for this."""
        return self.is_paused and not sample.conversation

    @contextmanager
    def kept(self, limits: Limits) -> Iterator[Tenure]:
        """The ledger has this session while the block lasts; set `outcome` in it.

        Raises:
            LedgerError: the disk is full.
        """
        for number, _ in self._orders():
            self._ledger.finish_command(number, "refused: it was left before this session began")
        self._session = self._ledger.sessions.begin(self._new(limits))
        try:
            yield self
        except BaseException as error:
            self.outcome = f"error: {type(error).__name__}: {error}".splitlines()[0]
            with suppress(LedgerError):  # the first error says more
                self._end()
            raise
        self._end()

    def take_orders(self) -> None:
        """Pause or go on, as people asked."""
        for number, payload in self._orders():
            pause = PauseOrder.model_validate(payload).kind == "pause"
            if pause == self.is_paused:
                self._ledger.finish_command(number, f"refused: it is {'paused already' if pause else 'not paused'}")
                continue
            (self._pause if pause else self._go_on)()
            self._ledger.finish_command(number, "done")

    def stopping(self) -> None:
        """The session is about to end: steps under way are waited for."""
        if self._session and self._session.state != "stopping":
            self._go_on(told=False)
            self._put(state="stopping")

    def _orders(self) -> list[tuple[int, dict[str, object]]]:
        return [(n, dict(payload)) for n, payload in self._ledger.open_commands() if payload.get("kind") in KINDS]

    def _pause(self) -> None:
        self.is_paused, self._paused_since = True, time.monotonic()
        self._put(state="paused", paused_at=now())
        self.say(
            "paused by a person: samples under way end their step, nothing new begins; "
            "the studio resumes it, Ctrl-C ends it"
        )

    def _go_on(self, told: bool = True) -> None:
        if not self.is_paused or self._session is None:
            return
        self.is_paused, seconds = False, time.monotonic() - self._paused_since
        self._put(state="running", paused_at="", paused_seconds=self._session.paused_seconds + seconds)
        if told:
            self.say(f"goes on after a pause of {seconds:.0f} s")

    def _end(self) -> None:
        self._go_on(told=False)
        self._put(state="ended", ended_at=now(), outcome=self.outcome)

    def _put(self, **changes: object) -> None:
        if self._session:
            self._session = self._session.model_copy(update=changes)
            self._ledger.sessions.put(self._session)

    def _new(self, limits: Limits) -> CampaignSession:
        return CampaignSession(
            target=limits.target,
            concurrency=limits.concurrency,
            max_candidates=limits.max_candidates,
            gpu_hours=limits.gpu_hours,
            wall_hours=limits.wall_hours,
            first_sample=self._ledger.next_number(),
            accepted_before=self._ledger.counts().get("accepted", 0),
            pid=os.getpid(),
            host=socket.gethostname(),
            profile=self._config.profile_name,
            config_hash=self._config.profile.hash,
            code_version=code_version(),
            command=self.command,
        )
