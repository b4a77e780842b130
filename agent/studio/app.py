"""The studio's web application: pages by topic, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response

from agent.studio import (
    begin_pages,
    campaign_page,
    clip_files,
    compare_page,
    list_page,
    media_files,
    pair_video,
    sample_page,
    talk_pages,
    thumbnails,
    upload_page,
)
from agent.studio.guard import READ_ONLY, Access, Guard
from agent.studio.pages import Pages
from agent.studio.refusals import at_the_door, explain
from agent.studio.runs import StudioRun
from agent.studio.upload_facts import UploadFacts

STATIC = Path(__file__).parent / "static"
TOPICS = (
    campaign_page,
    compare_page,
    list_page,
    media_files,
    pair_video,
    sample_page,
    thumbnails,
    clip_files,
    begin_pages,
    upload_page,
    talk_pages,
)
"""Each has `routes(studio)`."""


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What every page works with."""

    runs: Mapping[str, StudioRun]
    """The first is the one that conversations are held in."""
    pages: Pages
    scratch: Path
    """A folder for what is made to be shown, removed when the studio ends."""
    read_only: bool = False
    access: Access = field(default_factory=Access)
    uploads: UploadFacts = field(default_factory=UploadFacts)

    def run(self, key: str) -> StudioRun:
        """The run of a key.

        Raises:
            HTTPException: 404, there is none; 410, its folder is gone.
        """
        if key not in self.runs:
            raise HTTPException(404, f"there is no run {key!r}; this studio shows {', '.join(self.runs)}")
        if not (self.runs[key].folder / "ledger.sqlite").exists():
            raise HTTPException(410, f"the folder of run {key!r} is gone since this studio was started; put it back")
        return self.runs[key]

    def check_writable(self) -> None:
        """Refuse orders where nobody may give any.

        Raises:
            HTTPException: 403.
        """
        if self.read_only:
            raise HTTPException(403, READ_ONLY)


def create_app(studio: Studio) -> Guard:
    """The application over some runs, behind its guard."""
    app = FastAPI(title="Ditto studio", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    explain(app, studio)

    @app.get("/")
    def home() -> Response:
        return RedirectResponse(f"/runs/{next(iter(studio.runs))}/campaign", 302)

    for topic in TOPICS:
        app.include_router(topic.routes(studio))
    access = replace(studio.access, read_only=studio.read_only)
    return Guard(app, access, studio.pages.csrf, lambda headers, error: at_the_door(studio, headers, error))
