"""A conversation in the terminal: what is said, what the agent shows, and how long it takes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from agent.command import CommandError, CommandFailed
from agent.conversation.client import Conversations, TalkStatus
from agent.conversation.lines import Lines
from agent.conversation.moves import Move, MoveError
from agent.conversation.opening import given_clip, open_run
from agent.conversation.shown_turns import ShownTurns
from agent.conversation.turns import turns
from agent.plain import plain
from memory.artifacts import ArtifactStore
from memory.ledger import Ledger
from memory.sample import Sample
from memory.talk import Given

DOING = {
    "sample_clip": "taking the clip",
    "describe_clip": "looking at the clip",
    "propose_edits": "thinking of edits",
    "preview_edits": "drawing previews",
    "generate_video": "making the video",
    "critique_video": "judging the video",
    "accept": "keeping the pair",
}
WAITING = "waiting to be taken up"
GLANCE_SECONDS = 0.2
DATASET_SECONDS = 30.0
"""That whoever owns the run may take to add a pair to the dataset."""
CLIPS_SHOWN = 20
CLIPS_WAIT_SECONDS = 120.0
"""For the first file of a new run to be looked at."""
HELP = (
    "say what you want to see, in your words; or: a number chooses a proposal, 'yes' or 'generate 2' makes its video, "
    "'frame 12' shows the edits on another frame, 'keep it' gives the finished pair to the dataset, 'stop' ends "
    "without giving it; Ctrl-C at the prompt leaves, and the conversation can be continued"
)


class Left(Exception):
    """The person has left; the conversation waits for them."""


def chat(options: argparse.Namespace) -> int:
    """The command, after its arguments were parsed; returns the exit code.

    Raises:
        CommandError: the arguments do not fit, or there is no such conversation or clip.
        CommandFailed: nobody can work on it; the message says why.
    """
    console = Console()
    open_run(options)
    with closing(Ledger(options.out / "ledger.sqlite")) as ledger:
        terminal = Terminal(options.out, ledger, console)
        try:
            sample_id = terminal.continued(options.talk) if options.talk else terminal.begun(options)
        except MoveError as error:
            raise CommandError(str(error)) from error
        except Left:
            return 0
        try:
            terminal.talk(sample_id)
        except Left:
            how = f"python -m agent.chat --out {options.out} --continue {sample_id}"
            console.print(Text(f"the conversation waits for you; to go on: {how}"), soft_wrap=True)
    return 0


class Terminal:
    """One person, one run."""

    def __init__(self, run: Path, ledger: Ledger, console: Console) -> None:
        self._run = run
        self._ledger = ledger
        self._console = console
        self._lines = Lines(console)
        self._conversations = Conversations(run, ledger)

    def begun(self, options: argparse.Namespace) -> str:
        """Begin a conversation about the clip that was named, or is chosen now; returns its id.

        Raises:
            MoveError: there is no such clip.
            Left: the person chose none.
        """
        given = given_clip(options) or self._chosen_clip()
        if given.clip_number is not None:
            self._clips()  # of a new run there may be none yet
        sample_id = self._conversations.begin(given)
        self._say(f"conversation {sample_id}, in {self._run}")
        return sample_id

    def continued(self, sample_id: str) -> str:
        """The conversation to go on with.

        Raises:
            MoveError: there is none of this id, or it has ended.
        """
        if self._conversations.sample(sample_id).stage == "done":
            raise MoveError(f"conversation {sample_id!r} has ended; begin another one")
        self._conversations.wake()
        return sample_id

    def talk(self, sample_id: str) -> None:
        """Talk until the conversation ends.

        Raises:
            Left: the person left before.
            CommandFailed: nobody can work on it.
        """
        shown = ShownTurns(self._run, sample_id, self._console)
        while True:
            refused = self._wait(sample_id).problem
            shown.show(turns(self._ledger.events(sample_id)))
            if refused:
                self._say(f"that cannot be done: {refused}", "red")
            row = self._ledger.row(sample_id)
            if row is None or row.sample.stage == "done":
                self._end(row.sample if row else None)
                return
            self._answer(row.sample)

    def _answer(self, sample: Sample) -> None:
        """What the person says next, left for the agent."""
        while True:
            line = self._lines.ask(_prompt(sample))
            if line is None:
                raise Left
            if line.lower() in ("help", "?"):
                self._say(HELP, "dim")
                continue
            try:
                self._conversations.hear(sample.id, line)
                return
            except MoveError as error:
                self._say(f"that cannot be done: {error}", "red")

    def _wait(self, sample_id: str) -> TalkStatus:
        """Until the agent has answered; Ctrl-C cancels, a second one leaves."""
        cancelling = False
        with self._progress() as progress:
            while True:
                try:
                    status = self._conversations.status(sample_id)
                    if not status.working:
                        return status
                    if status.problem:
                        how = f"python -m agent.chat --out {self._run} --continue {sample_id}"
                        raise CommandFailed(f"{status.problem}; mend it, then go on with: {how}")
                    progress.show(status, cancelling)
                    time.sleep(GLANCE_SECONDS)
                except KeyboardInterrupt:
                    if cancelling:
                        raise Left from None
                    cancelling = True
                    self._cancel(sample_id)

    def _cancel(self, sample_id: str) -> None:
        try:
            self._conversations.move(sample_id, Move(call="cancel"))
            self._say("cancelling; what a model is at runs to its end and is not used (Ctrl-C again leaves)", "dim")
        except MoveError:
            self._say("the agent has not begun yet; Ctrl-C again leaves, and what you said is kept", "dim")

    def _end(self, sample: Sample | None) -> None:
        if sample is None or sample.edit is None or sample.decision not in ("accepted", "private"):
            why = f" ({', '.join(sample.reasons)})" if sample and sample.reasons else ""
            ended = "refused" if sample is None else "closed" if sample.decision == "private" else sample.decision
            self._say(f"the conversation has ended: {ended}{why}")
            return
        if sample.decision == "accepted":
            self._say(f"kept: the pair {sample.id} {self._place_of(sample.id)}", "green")
        else:
            self._say("closed: the video stays with you, and is not in the dataset")
        self._say(f"the video: {ArtifactStore(self._run / 'artifacts').path(sample.edit.video)}", "cyan")
        self._say(f"the trace: python -m agent.inspect {self._run} {sample.id}", "dim")

    def _place_of(self, sample_id: str) -> str:
        """Where the pair is; the dataset follows the ledger, which has it already."""
        dataset, until = self._run / "dataset", time.monotonic() + DATASET_SECONDS
        while time.monotonic() < until:
            for place in dataset.glob(f"shard-*/edited/{sample_id}.mp4"):
                lines = place.parent.parent / "metadata.jsonl"  # its line comes last
                if lines.is_file() and f'"{sample_id}"' in lines.read_text(encoding="utf-8"):
                    return f"is in {dataset}"
            time.sleep(GLANCE_SECONDS)
        return f"is in the ledger, and will be in {dataset} once the run is opened again"

    def _chosen_clip(self) -> Given:
        clips = self._clips()
        table = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("clip", "file", "from", "to"):
            table.add_column(column)
        for number, name, start, end in clips[:CLIPS_SHOWN]:
            table.add_row(str(number), Text(name), f"{start:.1f} s", f"{end:.1f} s")
        self._console.print(table)
        if len(clips) > CLIPS_SHOWN:
            self._say(f"and {len(clips) - CLIPS_SHOWN} more, up to number {clips[-1][0]}", "dim")
        while (line := self._lines.ask("which clip")) is not None:
            if line.isdecimal() and any(number == int(line) for number, *_ in clips):
                return Given(clip_number=int(line))
            self._say(f"{line!r} is not the number of a clip", "red")
        raise Left

    def _clips(self) -> list[tuple[int, str, float, float]]:
        """The run's clips: number, file, start and end in seconds; waits for the first to be found.

        Raises:
            CommandFailed: there are none.
        """
        until = time.monotonic() + CLIPS_WAIT_SECONDS
        while True:
            uses = list(self._ledger.sources.uses())
            found = [(use.number, self._ledger.sources.clip(use.number)) for use in uses]
            if found:
                return [(n, plain(Path(c.uri).name), c.start_seconds, c.end_seconds) for n, c in found]
            problem = self._conversations.seen_to()
            if not self._ledger.sources.to_look_at(1) and next(self._ledger.sources.fates(), None):
                problem = f"no file of the run gives a clip; python -m agent.inspect {self._run} --sources says why"
            if problem or time.monotonic() > until:
                raise CommandFailed(problem or f"no clip was found in {CLIPS_WAIT_SECONDS:.0f} s; give CLIP")
            time.sleep(GLANCE_SECONDS)

    @contextmanager
    def _progress(self) -> Iterator[Progress]:
        if not self._console.is_terminal:
            yield Progress(self._console, None)
            return
        with self._console.status("") as status:
            yield Progress(self._console, status)

    def _say(self, words: str, style: str = "") -> None:
        self._console.print(Text(plain(words), style=style), soft_wrap=True)


class Progress:
    """What the agent is at: a line that changes on a terminal, a line for each step elsewhere."""

    def __init__(self, console: Console, status: Status | None) -> None:
        self._console = console
        self._status = status
        self._told: str | None = ""

    def show(self, status: TalkStatus, cancelling: bool) -> None:
        """How it stands."""
        doing = DOING.get(status.tool, status.tool) if status.tool and status.since is not None else WAITING
        if self._status:
            taken = f", {status.since:.0f} s" if status.since is not None else ""
            how = "Ctrl-C again leaves" if cancelling else "Ctrl-C cancels"
            self._status.update(Text(f"{doing}{taken}{_expected(status.expected_seconds)} ({how})"))
        elif doing != self._told:
            self._told = doing
            self._console.print(Text(f"... {doing}{_expected(status.expected_seconds)}"))


def _expected(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", about {seconds:.0f} s expected" if seconds >= 1 else ", a moment expected"


def _prompt(sample: Sample) -> str:
    if sample.edit and sample.verdict:
        return "keep it, stop, or what to change"
    if sample.focus:
        return f"yes makes the video of {sample.focus}; or what to change"
    if sample.proposals:
        return "which one, or what to change"
    return "what do you want to see"
