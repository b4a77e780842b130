"""Two runs side by side, or two versions of the prompts within one: figures, and the samples on which they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from agent.compare import Comparison, Match, compare
from agent.studio.list_query import query_of
from agent.studio.runs import StudioRun
from agent.studio.thumbnails import pictures
from memory.listing import Filter
from memory.sample import Sample

if TYPE_CHECKING:
    from agent.studio.app import Studio

MOST_SHOWN = 24
"""Disagreements with pictures."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One that can be compared: a run, or what one version of the prompts made in it."""

    run: StudioRun
    prompts: str
    """Empty for all of the run."""
    samples: int

    @property
    def name(self) -> str:
        """In addresses, and in the two menus."""
        return f"{self.run.key}.{self.prompts}" if self.prompts else self.run.key

    @property
    def words(self) -> str:
        """For people."""
        part = f"{self.run.key}, prompts {self.prompts[:8]}" if self.prompts else f"{self.run.key}, all"
        return f"{part} ({self.samples:,} sample{'' if self.samples == 1 else 's'})"

    @property
    def filter(self) -> Filter:
        """A conversation's samples are left out: its person decides there, not the judge."""
        return Filter(prompts=self.prompts, conversation=False)

    def query(self, reason: str = "", edit_type: str = "") -> str:
        """Of the list of its samples."""
        return query_of(Filter(prompts=self.prompts, conversation=False, reason=reason, edit_type=edit_type))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A disagreement with its samples and pictures, the first side's first."""

    match: Match
    samples: Sequence[tuple[Sample, list[tuple[str, str]]]]


def routes(studio: Studio) -> APIRouter:
    """The page's addresses."""
    router = APIRouter()

    @router.get("/runs/{key}/compare")
    def page(key: str, first: str = "", second: str = "") -> Response:
        run = studio.run(key)
        choices = {one.name: one for one in _choices(studio.runs)}
        chosen = _chosen(choices, key, first, second)
        if chosen is None:
            return studio.pages.response("compare.html.j2", run=run, choices=choices, chosen=None)
        ours, theirs = chosen
        found = compare(ours.run.ledger.outcomes(ours.filter), theirs.run.ledger.outcomes(theirs.filter))
        return studio.pages.response(
            "compare.html.j2",
            run=run,
            choices=choices,
            chosen=chosen,
            found=found,
            axes=list(dict.fromkeys([*found.first.axes, *found.second.axes])),
            reasons=_most_first(found.first.reasons, found.second.reasons),
            edit_types=sorted({*found.first.edit_types, *found.second.edit_types}),
            shown=_shown(found, ours, theirs),
        )

    return router


def _choices(runs: Mapping[str, StudioRun]) -> list[Choice]:
    found: list[Choice] = []
    for run in runs.values():
        found.append(Choice(run=run, prompts="", samples=sum(run.ledger.counts().values())))
        versions = run.ledger.listing.menus().prompts
        if len(versions) > 1:
            found += [Choice(run=run, prompts=prompts, samples=samples) for prompts, samples in versions.items()]
    return found


def _chosen(choices: Mapping[str, Choice], key: str, first: str, second: str) -> tuple[Choice, Choice] | None:
    """What the address asks for; else this run and the next one, else its two largest versions; None of one alone."""
    if first in choices and second in choices and first != second:
        return choices[first], choices[second]
    others = [one for one in choices.values() if not one.prompts and one.run.key != key]
    if others:
        return choices[key], others[0]
    versions = [one for one in choices.values() if one.prompts and one.run.key == key]
    largest = sorted(versions, key=lambda one: -one.samples)[:2]
    return (largest[0], largest[1]) if len(largest) == 2 else None


def _most_first(first: Mapping[str, int], second: Mapping[str, int]) -> list[str]:
    return sorted({*first, *second}, key=lambda name: (-first.get(name, 0) - second.get(name, 0), name))


def _shown(found: Comparison, ours: Choice, theirs: Choice) -> list[Shown]:
    shown: list[Shown] = []
    for match in found.disagreements[:MOST_SHOWN]:
        rows = ours.run.ledger.row(match.first.id), theirs.run.ledger.row(match.second.id)
        samples = [(row.sample, pictures(row.sample)) for row in rows if row]
        shown.append(Shown(match=match, samples=samples))
    return shown
