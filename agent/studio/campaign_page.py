"""The campaign at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

if TYPE_CHECKING:
    from agent.studio.app import Studio


def routes(studio: Studio) -> APIRouter:
    """The page's addresses."""
    router = APIRouter()

    @router.get("/runs/{key}/campaign")
    def campaign(key: str) -> Response:
        run = studio.run(key)
        return studio.pages.response("campaign.html.j2", run=run, counts=run.ledger.counts())

    return router
