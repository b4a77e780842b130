"""Artifacts of a run by their names, in ranges where the browser asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from fastapi import Path as FromPath
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

if TYPE_CHECKING:
    from agent.studio.app import Studio

Reference = Annotated[str, FromPath(pattern=r"^[0-9a-f]{64}\.(mp4|png|jpg)$")]
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
"""A name is its content's hash, so what it names never changes."""


def routes(studio: Studio) -> APIRouter:
    """The files' addresses."""
    router = APIRouter()

    @router.get("/runs/{key}/media/{reference}")
    def media(key: str, reference: Reference) -> Response:
        run = studio.run(key)
        try:
            return FileResponse(run.artifacts.path(reference), headers=FOREVER)
        except FileNotFoundError:
            raise HTTPException(404, "this file was given up, as the run's retention asks") from None

    return router
