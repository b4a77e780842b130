"""Pictures of clips by the number of the clip, by the name of an upload, or by the conversation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from fastapi import Path as FromPath
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from agent.conversation.uploads import UploadRefused, upload_path
from agent.studio.clip_pictures import ClipPictures, NoPicture, Window, of_source, of_stored, of_upload
from agent.studio.runs import StudioRun
from agent.studio.talk_desk import TalkId
from memory.group_commit import LedgerError

if TYPE_CHECKING:
    from agent.studio.app import Studio

Number = Annotated[int, FromPath(ge=0, le=10_000_000)]
UploadName = Annotated[str, FromPath(pattern=r"^[0-9a-f]{64}\.mp4$")]
WHILE = {"Cache-Control": "private, max-age=600"}


def routes(studio: Studio) -> APIRouter:
    """The pictures' addresses."""
    router = APIRouter()
    pictures = ClipPictures(studio.scratch)

    @router.get("/runs/{key}/clips/{clip}/small.jpg")
    def clip_small(key: str, clip: Number) -> Response:
        window = of_clip(studio.run(key), clip)
        return _answer(lambda: pictures.thumbnail(window))

    @router.get("/runs/{key}/clips/{clip}/frames/{number}.jpg")
    def clip_frame(key: str, clip: Number, number: Number) -> Response:
        window = of_clip(studio.run(key), clip)
        return _answer(lambda: pictures.picture(window, number))

    @router.get("/runs/{key}/uploads/{name}/frames/{number}.jpg")
    def upload_frame(key: str, name: UploadName, number: Number) -> Response:
        folder = studio.run(key).folder
        try:
            window = of_upload(studio.uploads.of(folder, name), upload_path(folder, name))
        except UploadRefused as error:
            raise HTTPException(404, str(error)) from None
        return _answer(lambda: pictures.picture(window, number))

    @router.get("/runs/{key}/talks/{talk_id}/frames/{number}.jpg")
    def talk_frame(key: str, talk_id: TalkId, number: Number) -> Response:
        window = of_talk(studio.run(key), talk_id)
        return _answer(lambda: pictures.picture(window, number))

    return router


def of_clip(run: StudioRun, number: int) -> Window:
    """A clip of the run's table.

    Raises:
        HTTPException: 404, there is none.
    """
    try:
        return of_source(run.ledger.sources.clip(number))
    except LedgerError:
        raise HTTPException(404, f"this run has no clip number {number}; choose one of its clips") from None


def of_talk(run: StudioRun, talk_id: str) -> Window:
    """The clip of a conversation.

    Raises:
        HTTPException: 404, there is none, or it was given up.
    """
    row = run.ledger.row(talk_id)
    clip = row.sample.clip if row else None
    if clip is None or not clip.video:
        raise HTTPException(404, f"there is no conversation {talk_id!r} with a clip in this run")
    try:
        return of_stored(clip, run.artifacts.path(clip.video))
    except FileNotFoundError:
        raise HTTPException(404, "this clip was given up, as the run's retention asks") from None


def _answer(made: Callable[[], Path]) -> Response:
    try:
        return FileResponse(made(), media_type="image/jpeg", headers=WHILE)
    except NoPicture as error:
        raise HTTPException(404, str(error)) from None
