"""The list of a run's samples: filtered, sorted, by the page; everything that it shows stands in its address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agent.studio.list_query import asked, query_of
from agent.studio.runs import StudioRun
from agent.studio.thumbnails import pictures
from agent.trace import why
from memory.listing import Filter, ListedSample, ListPage

if TYPE_CHECKING:
    from agent.studio.app import Studio

PAGE = 50
"""Samples on a page."""
DECISIONS = ("pending", "accepted", "rejected", "unscored", "failed", "quarantined", "private")
SORTS = {
    "newest": "newest first",
    "oldest": "oldest first",
    "lowest": "lowest score of the axis",
    "highest": "highest score of the axis",
    "attempts": "most steps",
    "seconds": "most model seconds",
}


@dataclass(frozen=True, kw_only=True)
class Link:
    """A place to go: its words, its query, and whether the reader is there."""

    words: str
    query: str
    here: bool = False
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """One sample as the list shows it."""

    listed: ListedSample
    pictures: list[tuple[str, str]]
    why: str
    """One sentence."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a filter leads to."""

    wanted: Filter
    query: str
    """Of the first page, with its question mark."""
    problems: tuple[str, ...]
    page: ListPage
    cards: list[Card]
    decisions: list[Link]
    pages: list[Link]


def routes(studio: Studio) -> APIRouter:
    """The page's addresses."""
    router = APIRouter()

    @router.get("/runs/{key}/samples")
    def samples(key: str, request: Request) -> Response:
        run, wants = studio.run(key), asked(request.query_params)
        page = run.ledger.listing.page(wants.filter, PAGE, (wants.page - 1) * PAGE)
        query = query_of(wants.filter, wants.page)
        found = Found(
            wanted=wants.filter,
            query=query_of(wants.filter),
            problems=wants.problems,
            page=page,
            cards=[_card(run, one) for one in page.samples],
            decisions=_by_decision(wants.filter, page),
            pages=_pages(wants.filter, page, wants.page),
        )
        if request.headers.get("hx-request-type") == "partial":  # the form is there already
            answer = studio.pages.response("samples_found.html.j2", run=run, found=found)
            answer.headers["HX-Push-Url"] = f"{request.url.path}{query}"
            return answer
        menus = run.ledger.listing.menus()
        return studio.pages.response("samples.html.j2", run=run, found=found, menus=menus, sorts=SORTS)

    return router


def _card(run: StudioRun, one: ListedSample) -> Card:
    said = why(one.sample, run.ledger.events(one.sample.id))
    return Card(listed=one, pictures=pictures(one.sample), why=said)


def _by_decision(wanted: Filter, page: ListPage) -> list[Link]:
    """The same list with each decision that it has, and with all."""
    shown = [name for name in DECISIONS if page.counts.get(name) or name == wanted.decision]
    every = Link(
        words="all",
        query=query_of(replace(wanted, decision="")),
        here=not wanted.decision,
        count=sum(page.counts.values()),
    )
    return [
        every,
        *(
            Link(
                words=name,
                query=query_of(replace(wanted, decision=name)),
                here=name == wanted.decision,
                count=page.counts.get(name, 0),
            )
            for name in shown
        ),
    ]


def _pages(wanted: Filter, page: ListPage, number: int) -> list[Link]:
    """Where to turn to; nothing where all is on one page."""
    last = max(1, -(-page.matches // PAGE))
    places = {"First": 1, "Previous": number - 1, "Next": number + 1, "Last": last}
    ways = {"First": number > 1, "Previous": 1 < number <= last, "Next": number < last, "Last": number != last}
    return [Link(words=words, query=query_of(wanted, place)) for words, place in places.items() if ways[words]]
