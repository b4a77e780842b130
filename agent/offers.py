"""What a sample may be offered: edit types that suit its clip, what the run lacks first, and the routes of each."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from agent.policy import Offers
from memory.jobs import Quota
from memory.sample import Instruction, Sample, Scope
from tools.catalogue import Catalogue
from tools.edit_types import EditType

EditTypes = Callable[[Mapping[str, float]], Iterable[str]]
"""Facts of a clip to the edit types that can be done on it."""
LOCAL_SHARE = 0.3
"""Of a run's edits, how many should be local; clips without a subject allow none, so others make up for them."""


CATALOGUE_ROUTES: Mapping[Scope, tuple[str, ...]] = {"global": ("structure",), "local": ("mask",)}
"""Depth or colour of the source carries an edit of the whole picture, but fights one of a region."""


@dataclass(frozen=True, kw_only=True)
class Repertoire:
    """What a run can ask for."""

    suited: EditTypes
    scopes: Mapping[str, Scope]
    """By edit type."""
    routes: Mapping[str, tuple[str, ...]]
    """By edit type: those that suit it, the likeliest first."""


def of_catalogue(catalogue: Catalogue) -> Repertoire:
    """The looks of the catalogue."""
    scopes = catalogue.scopes
    routes = {kind: CATALOGUE_ROUTES[scope] for kind, scope in scopes.items()}
    return Repertoire(suited=catalogue.offers, scopes=scopes, routes=routes)


def of_words(edit_types: Mapping[str, EditType], finds_targets: bool) -> Repertoire:
    """Whatever words say, by kind; `finds_targets` as in `EditType.suits`."""

    def suited(facts: Mapping[str, float]) -> list[str]:
        return [name for name, kind in edit_types.items() if kind.suits(facts, finds_targets)]

    return Repertoire(
        suited=suited,
        scopes={name: kind.scope for name, kind in edit_types.items()},
        routes={name: kind.routes for name, kind in edit_types.items()},
    )


class OfferBook:
    """Counts which edits were asked for, over the run and by clip. Filled from the ledger, then kept up by events."""

    def __init__(self, repertoire: Repertoire) -> None:
        self._edit_types = repertoire.suited
        self._scopes = repertoire.scopes
        self._routes = repertoire.routes
        self._uses: Counter[str] = Counter()
        self._by_clip: dict[str, dict[str, Instruction]] = defaultdict(dict)
        self._clips: dict[str, set[str]] = defaultdict(set)
        self._job = ""
        self._quota = Quota(weights={}, uses={})

    @property
    def uses(self) -> dict[str, int]:
        """How often each edit type was asked for."""
        return dict(self._uses)

    def weigh(self, job: str, quota: Quota) -> None:
        """From now on ask for edit types as an evaluation, of this job, wants them; what was asked before no longer
        counts against any."""
        self._job, self._quota = job, quota

    def told(self, kind: str) -> str:
        """How much an edit type is wanted and why, in a few words; empty where no evaluation has a say."""
        return f"weight {self._weight(kind):.2f} by the evaluation of {self._job}" if self._job else ""

    def note(self, sample: Sample) -> None:
        """Take in a sample's instruction as it is now; of a conversation only once its result was accepted."""
        if sample.conversation and sample.decision != "accepted":
            return
        if sample.clip is None or sample.instruction is None:
            return
        earlier = self._by_clip[sample.clip.clip_id].get(sample.id)
        if earlier == sample.instruction:
            return
        self._by_clip[sample.clip.clip_id][sample.id] = sample.instruction
        self._clips[sample.clip.uri].add(sample.clip.clip_id)
        self._uses[sample.instruction.edit_type] += 1

    def others(self, sample: Sample) -> list[Instruction]:
        """What other samples ask of the same clip."""
        if sample.clip is None:
            return []
        edits = self._by_clip[sample.clip.clip_id]
        return [instruction for sample_id, instruction in edits.items() if sample_id != sample.id]

    def beside(self, sample: Sample) -> list[Instruction]:
        """What is asked of other clips of the same source."""
        if sample.clip is None:
            return []
        clips = self._clips[sample.clip.uri] - {sample.clip.clip_id}
        return [instruction for clip in sorted(clips) for instruction in self._by_clip[clip].values()]

    def offers(self, sample: Sample) -> Offers:
        """Edit types that suit the clip: of the scope that the run lacks first, then those that the clip had least,
        then its source, then the run. With weights, what the run has least of for its weight comes before the source,
        or a source of few clips would get of every type alike."""
        if sample.description is None:
            return Offers(edit_types=(), routes=self._routes)
        of_clip = Counter(instruction.edit_type for instruction in self.others(sample))
        of_source = Counter(instruction.edit_type for instruction in self.beside(sample))
        own = sample.instruction.edit_type if sample.instruction else ""
        suited = self._edit_types(sample.description.facts)
        # Ties fall by the sample's seed: samples that decide at the same moment should not all ask the same.
        chance = random.Random(sample.seed)
        lacking = self._lacking()

        def rank(kind: str) -> tuple[bool, bool, int, float, float, float]:
            of_run: float = self._uses[kind]
            if self._job:  # one more than it had, so that of types that had nothing yet the most wanted comes first
                of_run = (1 + max(0, of_run - self._quota.uses.get(kind, 0))) / self._weight(kind)
            used = (of_run, of_source[kind]) if self._job else (of_source[kind], of_run)
            return kind == own, self._scopes.get(kind) != lacking, of_clip[kind], *used, chance.random()

        offered = tuple(sorted(sorted(suited), key=rank))
        weights = {kind: self._weight(kind) for kind in offered} if self._job else {}
        return Offers(edit_types=offered, routes=self._routes, weights=weights, weighted_by=self._job)

    def _weight(self, kind: str) -> float:
        return self._quota.weights.get(kind, 1.0)

    def _lacking(self) -> Scope:
        """The scope of which the run has less than it should."""
        local = sum(uses for kind, uses in self._uses.items() if self._scopes.get(kind) == "local")
        return "local" if local < LOCAL_SHARE * (self._uses.total() + 1) else "global"
