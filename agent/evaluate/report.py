"""What an evaluation came to: figures over all pairs and by edit type, and the pairs worth a look."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from pydantic import JsonValue

from agent.evaluate.against import Differences
from agent.evaluate.figures import Scored, Summary, by_edit_type, summary
from agent.judge.judged import Judged

OWN = "dataset"
"""Says of edits that they are the dataset's own."""
PRUNED_EVERY = 64
"""Pairs after which contact sheets are dropped that are not shown: a dozen thumbnails each."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What was evaluated, by what."""

    data: str
    layout: str
    split: str | None
    """Of our own dataset."""
    edits: str
    """dataset, or the name of the model that made them, or the folder that they lie in."""
    judge: str | None
    """The model that judged beside the critic."""
    clip: str | None
    profile: str
    config_hash: str


@dataclass
class Evaluation:
    """Fed with one scored pair after another. Contact sheets stay of the best and the worst alone."""

    about: About
    num_shown: int
    scored: list[Scored] = field(default_factory=list)
    stopped: bool = False
    against: Differences | None = None

    def add(self, scored: Scored) -> None:
        """Count one in."""
        self.scored.append(scored)
        if len(self.scored) % PRUNED_EVERY == 0:
            kept = {one.judged.id for one in (*self.best, *self.worst)}
            self.scored = [one if one.judged.id in kept else _without_sheet(one) for one in self.scored]

    @property
    def worst(self) -> list[Scored]:
        """The pairs with the lowest score, the worst first."""
        return self._ranked()[: self.num_shown]

    @property
    def best(self) -> list[Scored]:
        """Those with the highest, the best first, without any of the worst."""
        ranked = self._ranked()
        return ranked[max(self.num_shown, len(ranked) - self.num_shown) :][::-1]

    def _ranked(self) -> list[Scored]:
        rated = [(self._rating(one), place) for place, one in enumerate(self.scored)]
        return [self.scored[place] for rating, place in sorted((r, p) for r, p in rated if r is not None)]

    def _rating(self, one: Scored) -> float | None:
        """The judge's score where there is a judge, else the least margin over a threshold."""
        if self.about.judge:
            return one.vlm
        return one.judged.nearest[0] if one.judged.nearest else None

    @property
    def overall(self) -> Summary:
        """Over all pairs."""
        return summary(self.scored)

    @property
    def by_edit_type(self) -> dict[str, Summary]:
        """By edit type."""
        return by_edit_type(self.scored)

    @property
    def unreadable(self) -> list[Judged]:
        """Pairs that could not be read or edited, each with its reason."""
        return [one.judged for one in self.scored if one.judged.decision == "unreadable"]

    @property
    def clip_text(self) -> str | None:
        """What CLIP-T held frames against: target, instruction, or both; None where there is no CLIP."""
        return " and ".join(sorted({one.clip_text for one in self.scored} - {""})) or None

    def as_json(self) -> dict[str, JsonValue]:
        """As `--json` prints it."""
        return {
            **asdict(self.about),
            "clip_text": self.clip_text,
            "overall": self.overall.as_json(),
            "by_edit_type": {name: found.as_json() for name, found in self.by_edit_type.items()},
            "pairs": [one.as_json() for one in self.scored],
            "against": self.against.as_json() if self.against else None,
            "stopped": self.stopped,
        }


def _without_sheet(one: Scored) -> Scored:
    return replace(one, judged=replace(one.judged, sheet=None)) if one.judged.sheet else one
