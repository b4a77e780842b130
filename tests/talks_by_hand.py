"""Conversations written into a run's ledger by hand, at every state that a page may show, from a pair the run made."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import JsonValue

from agent.conversation.moves import Move, moved
from agent.conversation.orders import new_conversation
from agent.state import apply
from memory.ledger import Ledger
from memory.sample import Event, Proposal, Sample, Stage, Verdict
from memory.talk import Given, Said


@dataclass
class HandTalk:
    """One conversation; `donor` is an accepted sample, whose clip, pictures, video and scores it borrows."""

    ledger: Ledger
    donor: Sample
    sample: Sample
    number: int

    @classmethod
    def begun(cls, ledger: Ledger, name: int, words: str = "", clip: int = 1) -> HandTalk:
        """One in which the person has given a clip."""
        donor = next(ledger.rows("decision = 'accepted' AND ordinal IS NOT NULL")).sample
        sample = new_conversation(f"talk-{name:012x}")
        talk = cls(ledger, donor, sample, ledger.next_number())
        talk.move(Move(call="begin", given=Given(clip_number=clip), words=words))
        return talk

    def move(self, move: Move) -> None:
        """The person's."""
        changes, leads_to = moved(self.sample, move)
        self._append(move.call, changes, leads_to, by_person=True, arguments=move.arguments)

    def look(self) -> None:
        """The agent takes the clip and looks at it."""
        clip, description = self.donor.clip, self.donor.description
        assert clip
        assert description
        self._append("sample_clip", {"clip": clip.model_dump(mode="json")}, "clip")
        leads_to: Stage = "described" if self.sample.wish else "awaiting_person"
        self._append("describe_clip", {"description": description.model_dump(mode="json")}, leads_to)

    def say(self, words: str, leads_to: Stage = "awaiting_person") -> None:
        """The agent only speaks."""
        self._append("propose_edits", {"talk": self._with(words)}, leads_to)

    def propose(self, *texts: str, words: str = "I can do this:", note: str = "") -> None:
        """The agent offers edits, without pictures yet."""
        assert self.donor.instruction
        first = 1 + max((each.number for each in self.sample.proposals), default=0)
        offers = [
            Proposal(
                number=number,
                instruction=self.donor.instruction.model_copy(update={"text": text}),
                strength=0.8,
                note=note if number == first else "",
            )
            for number, text in enumerate(texts, first)
        ]
        dumped: list[JsonValue] = [offer.model_dump(mode="json") for offer in offers]
        self._append("propose_edits", {"talk": self._with(words), "proposals": dumped, "focus": 0}, "proposed")

    def preview(self, *verdicts: Verdict) -> None:
        """The agent shows what it offers, judged; good where no verdict is given."""
        given = iter(verdicts)
        shown = [
            offer.model_copy(
                update={"key_frame": self.donor.key_frame, "verdict": next(given, self.donor.key_frame_verdict)}
            )
            for offer in self.sample.proposals
        ]
        self._append(
            "preview_edits", {"proposals": [each.model_dump(mode="json") for each in shown]}, "awaiting_person"
        )

    def make(self, verdict: Verdict | None = None) -> None:
        """The agent makes the video and judges it; as the donor's where no verdict is given."""
        assert self.donor.edit
        assert self.donor.verdict
        self._append("generate_video", {"edit": self.donor.edit.model_dump(mode="json")}, "generated")
        held = (verdict or self.donor.verdict).model_dump(mode="json")
        self._append("critique_video", {"verdict": held}, "awaiting_person")

    def accept(self) -> None:
        """The agent gives it to the dataset."""
        self._append("accept", {"decision": "accepted", "reasons": []}, "done")

    def fail(self, tool: str, error: str) -> None:
        """A step of the agent's went wrong."""
        self._append(tool, {}, "awaiting_person", error=error)

    def _with(self, words: str) -> list[JsonValue]:
        said = [*self.sample.talk, Said(by="agent", words=words)]
        return [each.model_dump(mode="json") for each in said]

    def _append(
        self,
        tool: str,
        result: dict[str, JsonValue],
        leads_to: Stage,
        by_person: bool = False,
        arguments: dict[str, JsonValue] | None = None,
        error: str | None = None,
    ) -> None:
        event = Event(
            sample_id=self.sample.id,
            stage=self.sample.stage,
            next_stage=leads_to,
            tool=tool,
            arguments=arguments or {},
            result=result,
            seconds=0.0 if by_person else 2.5,
            attempt=1,
            by="person" if by_person else "policy",
            error=error,
        )
        self.sample = apply(self.sample, event)
        with ThreadPoolExecutor(1) as thread:  # a browser's test has an event loop in its own
            thread.submit(asyncio.run, self.ledger.append(event, self.sample, self.number)).result()
