"""One sample from clip to verdict, and the exact request of each model call that was made for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from fastapi import Path as FromPath
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.model_calls import RequestLost
from agent.studio.list_query import asked, query_of
from agent.studio.override_page import orders_of, override_routes
from agent.studio.pair_video import Edited
from agent.studio.sample_view import view
from agent.trace_request import request_of

if TYPE_CHECKING:
    from agent.studio.app import Studio

CallName = Annotated[str, FromPath(pattern=r"^[0-9]{1,18}\.[0-9]{1,6}$")]


def routes(studio: Studio) -> APIRouter:
    """The pages' addresses."""
    router = APIRouter()
    router.include_router(override_routes(studio))

    @router.get("/runs/{key}/samples/{sample_id}")
    def sample(key: str, sample_id: str, request: Request, edited: Edited = None) -> Response:
        run = studio.run(key)
        row = run.ledger.row(sample_id)
        if row is None:
            raise HTTPException(404, f"there is no sample {sample_id!r} in this run")
        wanted = asked(request.query_params).filter
        shown = view(row, run.ledger.events(sample_id), edited)
        return studio.pages.response(
            "sample.html.j2",
            run=run,
            sample=row.sample,
            view=shown,
            beside=run.ledger.listing.neighbours(wanted, sample_id),
            query=query_of(wanted),
            orders=orders_of(studio, run, row.sample),
        )

    @router.get("/runs/{key}/samples/{sample_id}/calls/{name}")
    def call(key: str, sample_id: str, name: CallName) -> Response:
        run = studio.run(key)
        seq, _, number = name.partition(".")
        event = next((one for one in run.ledger.events(sample_id) if one.seq == int(seq)), None)
        if event is None or not 1 <= int(number) <= len(event.calls):
            raise HTTPException(404, f"sample {sample_id!r} has no model call {name}")
        said = event.calls[int(number) - 1]
        try:
            exact, lost = request_of(said, run.artifacts), ""
        except RequestLost as error:
            # The store's folder is nobody's business who looks from another machine.
            exact, lost = None, re.sub(r" from '[^']*'", "", str(error))
        return studio.pages.response(
            "call.html.j2", run=run, sample_id=sample_id, name=name, call=said, request=exact, lost=lost
        )

    return router
