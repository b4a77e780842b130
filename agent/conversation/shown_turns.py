"""Turns of a conversation on a terminal: words, proposals with their verdicts, and the files to look at."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from agent.conversation.turns import Turn
from agent.plain import plain
from agent.verdict_table import print_verdict
from memory.artifacts import ArtifactStore
from memory.sample import Proposal, Verdict

SHEET_WIDTH = 1600
"""Pixels of the picture with all key frames beside each other."""
SHEETS = "talks"


class ShownTurns:
    """Prints turns; pictures side by side are written to RUN/talks/ID."""

    def __init__(self, run: Path, sample_id: str, console: Console) -> None:
        self._folder = run / SHEETS / sample_id
        self._artifacts = ArtifactStore(run / "artifacts")
        self._console = console
        self._shown = 0

    def show(self, turns: tuple[Turn, ...]) -> None:
        """What the agent did since the last time."""
        for turn in turns:
            if turn.seq > self._shown and turn.by == "agent":
                self._show(turn)
            self._shown = max(self._shown, turn.seq)

    def _show(self, turn: Turn) -> None:
        if turn.caption:
            self._say(f"the clip: {turn.caption}", "dim")
        if turn.words:
            self._say(turn.words)
        for offered in turn.proposals:
            self._offer(offered)
        if any(offered.key_frame for offered in turn.proposals):
            self._say(f"side by side: {self._sheet(turn)}", "cyan")
        if turn.edit:
            self._say(f"the video: {self._artifacts.path(turn.edit.video)}", "cyan")
        if turn.verdict:
            print_verdict(self._console, "the critic says", turn.verdict)
        if turn.error:
            self._say(f"that did not work: {turn.error}", "red")

    def _offer(self, offered: Proposal) -> None:
        self._console.print(
            Text(f"  {offered.number}. {plain(offered.instruction.text)}", style="bold"), soft_wrap=True
        )
        for part in (offered.note, _told(offered.verdict), offered.problem):
            if part:
                self._say(f"     {part}")
        if offered.key_frame and offered.key_frame.chosen:
            self._say(f"     {self._artifacts.path(offered.key_frame.chosen)}", "cyan")

    def _sheet(self, turn: Turn) -> Path:
        """The source's key frame and each preview in one picture."""
        from tools.contact_sheet import contact_sheet
        from tools.media import Media, png

        media = Media(self._artifacts)
        shown = [(offered, offered.key_frame) for offered in turn.proposals if offered.key_frame]
        references = [shown[0][1].source, *(key_frame.chosen for _, key_frame in shown)]
        label = f"the clip's frame {shown[0][1].index}, then the proposals from left to right:"
        rows = [(label, [media.image(reference) for reference in references if reference])]
        rows += [(f"{offered.number}. {offered.instruction.text}", []) for offered, _ in shown]
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"previews-{turn.seq:06d}.png"
        path.write_bytes(png(contact_sheet(rows, SHEET_WIDTH)))
        return path

    def _say(self, words: str, style: str = "") -> None:
        self._console.print(Text(plain(words), style=style), soft_wrap=True)


def _told(verdict: Verdict | None) -> str:
    """A preview's verdict in a line."""
    if verdict is None:
        return ""
    why = "; ".join(f"{axis}: {verdict.scores[axis].reason}" for axis in verdict.reasons if axis in verdict.scores)
    if verdict.decision == "accepted":
        return "the critic has nothing against this picture"
    if verdict.decision == "unscored":
        return f"the critic could not judge this picture ({why})"
    return f"this cannot be made into a video: {why}" if verdict.rule == "gate" else f"the critic finds fault: {why}"
