"""Conversations in a ledger, as a person and the agent would have had them, with small real files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from agent.conversation.moves import Move, moved
from agent.conversation.orders import new_conversation
from agent.state import apply
from ditto_models import video
from memory.artifacts import ArtifactStore
from memory.ledger import Ledger
from memory.sample import (
    AxisVerdict,
    Clip,
    Description,
    Edit,
    Event,
    Instruction,
    KeyFrame,
    Proposal,
    Provenance,
    Sample,
    Stage,
    Verdict,
)
from memory.talk import Given, Said


def verdict(passed: bool = True) -> Verdict:
    score = AxisVerdict(value=0.9 if passed else 0.2, threshold=0.5, passed=passed, reason="as asked")
    return Verdict(
        decision="accepted" if passed else "rejected",
        reasons=[] if passed else ["source_motion"],
        rule="all_passed" if passed else "threshold",
        scores={"source_motion": score},
    )


@dataclass
class Told:
    """One conversation that is being had."""

    run: Path
    number: int
    sample: Sample = field(init=False)

    def __post_init__(self) -> None:
        self.sample = new_conversation(f"talk-{self.number:012x}")
        self.store = ArtifactStore(self.run / "artifacts")

    def says(self, call: str, **arguments: object) -> None:
        """A move of the person."""
        move = Move.model_validate({"call": call} | arguments)
        changes, leads_to = moved(self.sample, move)
        self._keep(call, leads_to, dict(changes), "person", arguments=dict(move.arguments))

    def does(self, tool: str, leads_to: Stage, error: str | None = None, **changes: object) -> None:
        """A step of the agent."""
        dumped = Sample.model_validate(self.sample.model_dump() | changes).model_dump(mode="json")
        self._keep(tool, leads_to, {key: dumped[key] for key in changes}, "policy", error=error)

    def _keep(self, tool: str, leads_to: Stage, result: dict[str, object], by: str, **more: object) -> None:
        event: dict[str, object] = {
            "sample_id": self.sample.id,
            "stage": self.sample.stage,
            "next_stage": leads_to,
            "tool": tool,
        }
        event |= {"arguments": {}, "result": result, "seconds": 0.5, "attempt": 1, "by": by}
        made = Event.model_validate(event | more)
        self.sample = apply(self.sample, made)
        ledger = Ledger(self.run / "ledger.sqlite")
        asyncio.run(ledger.append(made, self.sample, self.number))
        ledger.close()

    def begins(self, words: str, number: int = 1) -> None:
        """Up to the first previews."""
        self.says("begin", words=words, given=Given(clip_number=1).model_dump())
        clip = Clip(
            clip_id="c",
            uri="/home/me/holiday.mp4",
            sha256=f"{self.number:064x}",
            start_seconds=1,
            end_seconds=1.2,
            fps=25,
            frames=5,
            width=16,
            height=16,
            video=self.video(40),
        )
        self.does("sample_clip", "clip", clip=clip)
        self.does("describe_clip", "described", description=Description(caption="a field", facts={}, masks=""))
        self.offers(number, "I can do this")

    def offers(self, number: int, words: str) -> None:
        """One proposal, then its preview."""
        wanted = Instruction(text=f"Make it snow {number}", edit_type="weather", scope="global")
        offer = Proposal(number=number, instruction=wanted, strength=0.8, note="no wind")
        talk = [*self.sample.talk, Said(by="agent", words=words)]
        self.does("propose_edits", "proposed", proposals=[offer], talk=talk)
        edited = self.store.put(f"edited {self.number} {number}".encode(), ".png")
        key_frame = KeyFrame(
            index=2, source=self.store.put(b"source", ".png"), candidates=[edited], strengths=[0.8], chosen=edited
        )
        shown = offer.model_copy(update={"key_frame": key_frame, "verdict": verdict()})
        self.does("preview_edits", "awaiting_person", proposals=[shown])

    def makes(self, passed: bool = True) -> None:
        """Approve what is on offer, and have its video made and judged."""
        self.says("approve")
        edit = Edit(video=self.video(80 + self.number), route="structure", strength=0.8)
        self.does("generate_video", "generated", edit=edit)
        self.does("critique_video", "awaiting_person", verdict=verdict(passed))

    def keeps(self) -> None:
        """Consent, and the agent's acceptance."""
        self.says("keep")
        made = Provenance(
            models={"editor": "e"}, prompts_hash="p", config_hash="c", code_version="0", created_at="2026-01-01"
        )
        self.does("accept", "done", decision="accepted", reasons=[], provenance=made)

    def video(self, level: int) -> str:
        with self.store.writing(".mp4") as (path, references):
            video.write(path, np.full((5, 16, 16, 3), level, np.uint8), 25.0)
        return references[0]
