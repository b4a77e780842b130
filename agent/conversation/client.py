"""Conversations from outside: moves are left in the ledger as orders, and somebody is made to own the run.

Who owns it, a campaign or a worker (agent/conversation/__main__.py), carries them out; a studio or a terminal that is
killed loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from agent.conversation.given import check_given
from agent.conversation.hearing import heard
from agent.conversation.moves import Move, MoveError
from agent.conversation.orders import new_id, send
from agent.conversation.worker_process import WorkerProcess
from agent.policy import CONVERSATION_CALLS
from memory.ledger import Ledger
from memory.sample import Sample, Stage
from memory.talk import Given

WAITS: tuple[Stage, ...] = ("awaiting_person", "done")
REFUSED = "refused: "


@dataclass(frozen=True, kw_only=True)
class TalkStatus:
    """How a conversation stands."""

    stage: Stage
    working: bool
    """Whether the agent is at work, or will be once somebody owns the run."""
    tool: str | None = None
    """What it is at."""
    since: float | None = None
    """Seconds that it has been at it."""
    expected_seconds: float | None = None
    """Of that tool: the median of its last calls in this run; None where there were none."""
    problem: str = ""
    """Why the last move was refused, or why nobody can work on it; empty where all is well."""


class Conversations:
    """The conversations of one run; `ledger` is its own, opened for writing."""

    def __init__(self, run: Path, ledger: Ledger, worker: WorkerProcess | None = None) -> None:
        self._run = run
        self._ledger = ledger
        self._worker = worker or WorkerProcess(run)

    def begin(self, given: Given, words: str = "", frame_index: int | None = None) -> str:
        """Begin a conversation about a clip; returns the id of its sample, which is in the ledger once it was taken up.

        Raises:
            MoveError: there is no such clip.
            LedgerError: the disk is full.
        """
        check_given(self._run, self._ledger, given)
        sample_id = new_id()
        self.move(sample_id, Move(call="begin", given=given, words=words, frame_index=frame_index))
        return sample_id

    def move(self, sample_id: str, move: Move) -> int:
        """Leave a move for the run's owner; returns the order's number (`Ledger.command`).

        Raises:
            MoveError: it cannot be made as the conversation stands now.
            LedgerError: the disk is full.
        """
        number = send(self._ledger, sample_id, move)
        self._worker.see_to(patient=False)
        return number

    def hear(self, sample_id: str, words: str) -> int:
        """The same of what a person said, which may be a wish or press a button ("yes", "the second").

        Raises:
            MoveError: as of `move`, or there is no such conversation.
            LedgerError: the disk is full.
        """
        return self.move(sample_id, heard(words, self.sample(sample_id)))

    def wake(self) -> None:
        """See to it that somebody owns the run, whatever became of the last attempt."""
        self._worker.see_to(patient=False)

    def seen_to(self) -> str:
        """See to it that somebody owns the run; why nobody can, in a line, or nothing."""
        self._worker.see_to(patient=True)
        return self._worker.problem()

    def sample(self, sample_id: str) -> Sample:
        """The conversation as it stands.

        Raises:
            MoveError: there is none of this id.
        """
        row = self._ledger.row(sample_id)
        if row is None or not row.sample.conversation:
            raise MoveError(f"there is no conversation {sample_id!r} in this run")
        return row.sample

    def status(self, sample_id: str) -> TalkStatus:
        """How a conversation stands; starts somebody to work on it where there is work that nobody does."""
        row, order = self._ledger.row(sample_id), self._ledger.last_command(sample_id)
        stage: Stage = row.sample.stage if row else "new"
        is_ordered = order is not None and order.outcome is None
        working = is_ordered or (row is not None and stage not in WAITS)
        if not working:
            refused = (order.outcome or "") if order else ""
            return TalkStatus(
                stage=stage,
                working=False,
                problem=refused.removeprefix(REFUSED) if refused.startswith(REFUSED) else "",
            )
        self._worker.see_to(patient=True)
        tool = next(iter(CONVERSATION_CALLS.get(stage, ())), None)
        begun = [self._worker.owned_at(), *(_moment(event.at) for event in self._ledger.events(sample_id)[-1:])]
        if order and is_ordered:  # since then it waits; the person's own time before that is no work
            begun.append(_moment(order.at))
        known = self._ledger.seconds_of(tool) if tool else []
        return TalkStatus(
            stage=stage,
            working=True,
            tool=tool,
            since=max(0.0, datetime.now(UTC).timestamp() - max(begun)) if row and any(begun) else None,
            expected_seconds=median(known) if known else None,
            problem=self._worker.problem(),
        )


def _moment(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
