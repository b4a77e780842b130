"""The packed video of a sample's source and edit, for the player."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from agent.studio.media_files import FOREVER
from agent.studio.proxy import Pair, Proxies, pair_of
from agent.studio.runs import StudioRun
from ditto_models.container import VideoError

if TYPE_CHECKING:
    from agent.studio.app import Studio

Edited = Annotated[str | None, Query(pattern=r"^([0-9a-f]{64}\.mp4)?$")]


def routes(studio: Studio) -> APIRouter:
    """The video's address."""
    router = APIRouter()
    proxies = Proxies(studio.scratch)

    @router.get("/runs/{key}/samples/{sample_id}/pair.mp4")
    def pair_video(key: str, sample_id: str, edited: Edited = None) -> Response:
        run = studio.run(key)
        pair = _pair(run, sample_id, edited)
        try:
            path = proxies.path(pair, run.artifacts)
        except FileNotFoundError:
            raise HTTPException(404, "these videos were given up, as the run's retention asks") from None
        except VideoError as error:
            raise HTTPException(422, f"these videos cannot be shown: {error}") from error
        # With the edit named, the address says by content what it gives.
        headers = {"Cache-Control": "no-cache"} if edited is None else FOREVER
        return FileResponse(path, media_type="video/mp4", headers=headers)

    return router


def _pair(run: StudioRun, sample_id: str, edited: str | None) -> Pair:
    row = run.ledger.row(sample_id)
    if row is None:
        raise HTTPException(404, f"there is no sample {sample_id!r} in this run")
    if edited and edited not in run.ledger.artifacts(sample_id):
        raise HTTPException(404, f"sample {sample_id!r} has no video {edited!r}")
    pair = pair_of(row.sample, edited)
    if pair is None:
        raise HTTPException(404, f"sample {sample_id!r} has no clip yet")
    return pair
