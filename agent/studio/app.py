"""The studio's web application: pages by topic, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.studio import campaign_page, media_files, pair_video, sample_page
from agent.studio.pages import Pages
from agent.studio.runs import StudioRun

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What every page works with."""

    runs: Mapping[str, StudioRun]
    """The first is the one that conversations are held in."""
    pages: Pages
    scratch: Path
    """A folder for what is made to be shown, removed when the studio ends."""
    read_only: bool = False

    def run(self, key: str) -> StudioRun:
        """The run of a key.

        Raises:
            HTTPException: 404, there is none.
        """
        if key not in self.runs:
            raise HTTPException(404, f"there is no run {key!r}; this studio shows {', '.join(self.runs)}")
        return self.runs[key]

    def check_writable(self) -> None:
        """Refuse orders where nobody may give any.

        Raises:
            HTTPException: 403.
        """
        if self.read_only:
            raise HTTPException(403, "this studio was started with --read-only: it takes no orders")


def create_app(studio: Studio) -> FastAPI:
    """The application over some runs."""
    app = FastAPI(title="Ditto studio", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/")
    def home() -> Response:
        return RedirectResponse(f"/runs/{next(iter(studio.runs))}/campaign", 302)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return studio.pages.problem(error.status_code, str(error.detail))

    for topic in (campaign_page, media_files, pair_video, sample_page):
        app.include_router(topic.routes(studio))
    return app
