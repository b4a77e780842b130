"""One sample from clip to verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from agent.studio.proxy import pair_of

if TYPE_CHECKING:
    from agent.studio.app import Studio


def routes(studio: Studio) -> APIRouter:
    """The page's addresses."""
    router = APIRouter()

    @router.get("/runs/{key}/samples/{sample_id}")
    def sample(key: str, sample_id: str) -> Response:
        run = studio.run(key)
        row = run.ledger.row(sample_id)
        if row is None:
            raise HTTPException(404, f"there is no sample {sample_id!r} in this run")
        events = run.ledger.events(sample_id)
        return studio.pages.response("sample.html.j2", run=run, row=row, events=events, pair=pair_of(row.sample))

    return router
