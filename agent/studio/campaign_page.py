"""The campaign at a glance: how far it is, what became of its samples and why; people pause it and let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from agent.campaign_progress import in_words
from agent.pause import Action, NobodyRuns, order_pause
from agent.studio.campaign_view import FiguresDesk, map_chart, progress_view
from agent.studio.instruction_maps import InstructionMaps
from agent.studio.runs import StudioRun
from agent.studio.server_health import HealthDesk

if TYPE_CHECKING:
    from agent.studio.app import Studio


def campaign_html(studio: Studio, run: StudioRun, maps: InstructionMaps, desk: FiguresDesk) -> str:
    """The page; in a copy that asks nobody, with all that a page otherwise asks for later."""
    made = maps.of(run, wait=True) if studio.pages.bundled else maps.shown(run)
    return studio.pages.text(
        "campaign.html.j2",
        run=run,
        view=progress_view(run),
        shown=desk.of(run),
        map=made,
        map_chart=map_chart(made),
        in_words=in_words,
    )


def routes(studio: Studio) -> APIRouter:
    """The page's addresses, and those of its parts."""
    router, maps = APIRouter(), InstructionMaps(studio.scratch)
    figures_desk, health_desk = FiguresDesk(), HealthDesk()
    pages = studio.pages

    @router.get("/runs/{key}/campaign")
    def campaign(key: str) -> Response:
        return Response(campaign_html(studio, studio.run(key), maps, figures_desk), media_type="text/html")

    @router.get("/runs/{key}/campaign/progress")
    def progress(key: str) -> Response:
        run = studio.run(key)
        return pages.response("campaign_progress.html.j2", run=run, view=progress_view(run), in_words=in_words)

    @router.get("/runs/{key}/campaign/figures")
    def figures(key: str, seen: str = "") -> Response:
        run = studio.run(key)
        if figures_desk.seen(run) == seen:
            return Response(status_code=204)
        shown = figures_desk.of(run)
        return pages.response("campaign_figures.html.j2", run=run, shown=shown, in_words=in_words)

    @router.get("/runs/{key}/campaign/map")
    def instruction_map(key: str, seen: str = "") -> Response:
        run = studio.run(key)
        made = maps.of(run)
        if made.seen == seen:
            return Response(status_code=204)
        return pages.response("campaign_map.html.j2", run=run, map=made, map_chart=map_chart(made))

    @router.get("/runs/{key}/campaign/servers")
    def servers(key: str) -> Response:
        run = studio.run(key)
        return pages.response("campaign_servers.html.j2", run=run, health=health_desk.of(key, run.config.profile))

    @router.post("/runs/{key}/campaign/pause")
    def pause(key: str, action: Annotated[Action, Form()]) -> Response:
        run = studio.run(key)
        studio.check_writable()
        try:
            order_pause(run.folder, run.ledger, action)
        except NobodyRuns as nobody:
            raise HTTPException(409, str(nobody)) from nobody
        return RedirectResponse(f"/runs/{key}/campaign?ordered={action}", 303)

    return router
