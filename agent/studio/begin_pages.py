"""Beginning a conversation: choose one of the run's clips or an uploaded video, then its key frame, and say a wish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from agent.conversation.moves import MOST_WORDS, MoveError
from agent.conversation.uploads import UploadConfig, Uploaded, UploadRefused
from agent.studio.clip_files import Number, UploadName
from agent.studio.clip_pictures import UPLOAD_PICTURES
from agent.studio.runs import StudioRun
from agent.studio.talk_desk import PAGE, TalkDesk
from agent.studio.talk_view import EXAMPLES
from agent.studio.upload_facts import UploadFacts
from ditto_models.settings import first_problem
from memory.group_commit import LedgerError
from memory.sample import Clip
from memory.talk import Given

if TYPE_CHECKING:
    from agent.studio.app import Studio

Frame = Annotated[int, Form(ge=0)]
Words = Annotated[str, Form()]


def routes(studio: Studio) -> APIRouter:
    """The pages' addresses."""
    router = APIRouter()
    desk, facts = TalkDesk(studio), studio.uploads

    @router.get("/runs/{key}/clips")
    def clips(key: str, page: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
        run = studio.run(key)
        found = run.ledger.sources.page(PAGE + 1, PAGE * page)
        shown = [(number, clip, Path(clip.uri).name, Path(clip.uri).is_file()) for number, clip in found[:PAGE]]
        return HTMLResponse(
            studio.pages.text(
                "clips.html.j2",
                run=run,
                clips=shown,
                more=len(found) > PAGE,
                page=page,
                talks_here=desk.talks_in(run),
                limits=UploadConfig(),
            )
        )

    @router.get("/runs/{key}/clips/{clip}")
    def of_clip(key: str, clip: Number) -> Response:
        run = studio.run(key)
        return _begin(run, clip=clip)

    @router.get("/runs/{key}/uploads/{name}")
    def of_upload(key: str, name: UploadName) -> Response:
        run = studio.run(key)
        return _begin(run, upload=name)

    @router.post("/runs/{key}/clips/{clip}")
    def begin_with_clip(key: str, clip: Number, frame: Frame, words: Words = "") -> Response:
        run = studio.run(key)
        client = desk.client(run)
        _clip(run, clip)
        try:
            talk_id = client.begin(Given(clip_number=clip), words, frame)
        except MoveError as error:
            return _begin(run, clip=clip, frame=frame, words=words, refused=str(error))
        except ValidationError as error:
            return _begin(run, clip=clip, frame=frame, words=words, refused=first_problem(error))
        return RedirectResponse(f"/runs/{key}/talks/{talk_id}", 303)

    @router.post("/runs/{key}/uploads/{name}")
    def begin_with_upload(key: str, name: UploadName, frame: Frame, words: Words = "") -> Response:
        run = studio.run(key)
        client = desk.client(run)
        given = Given(upload=name, start_seconds=_moment(_uploaded(facts, run, name), frame))
        try:
            talk_id = client.begin(given, words)
        except MoveError as error:
            return _begin(run, upload=name, frame=frame, words=words, refused=str(error))
        except ValidationError as error:
            return _begin(run, upload=name, frame=frame, words=words, refused=first_problem(error))
        return RedirectResponse(f"/runs/{key}/talks/{talk_id}", 303)

    def _begin(
        run: StudioRun,
        clip: int | None = None,
        upload: str = "",
        frame: int | None = None,
        words: str = "",
        refused: str = "",
    ) -> Response:
        known = _clip(run, clip) if clip is not None else None
        uploaded = _uploaded(facts, run, upload) if upload else None
        frames = known.frames if known else min(UPLOAD_PICTURES, uploaded.frames if uploaded else 1)
        return HTMLResponse(
            studio.pages.text(
                "begin.html.j2",
                run=run,
                clip=known,
                name=Path(known.uri).name if known else "",
                uploaded=uploaded,
                address=f"/runs/{run.key}/clips/{clip}" if known else f"/runs/{run.key}/uploads/{upload}",
                frames=frames,
                frame=frames // 2 if frame is None else min(frame, frames - 1),
                clip_frames=run.config.profile.clips.frames,
                words=words,
                refused=refused,
                examples=EXAMPLES,
                most_words=MOST_WORDS,
                talks_here=desk.talks_in(run),
                keep_seconds=UploadConfig().keep_seconds,
            ),
            409 if refused else 200,
        )

    return router


def _clip(run: StudioRun, number: int) -> Clip:
    try:
        return run.ledger.sources.clip(number)
    except LedgerError:
        raise HTTPException(404, f"this run has no clip number {number}; choose one of its clips") from None


def _uploaded(facts: UploadFacts, run: StudioRun, name: str) -> Uploaded:
    try:
        return facts.of(run.folder, name)
    except UploadRefused as error:
        raise HTTPException(404, str(error)) from None


def _moment(uploaded: Uploaded, picture: int) -> float:
    """When a picture of an uploaded video is shown, in seconds from its first frame."""
    last = max(1, min(UPLOAD_PICTURES, uploaded.frames) - 1)
    return round(min(picture, last) / last * (uploaded.frames - 1)) / uploaded.fps
