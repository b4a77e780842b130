"""Conversations: the list, one of them, and the person's moves in it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from agent.conversation.moves import MOST_WORDS, Move, MoveError
from agent.conversation.turns import turns
from agent.policy import PersonCall
from agent.studio.proxy import pair_of
from agent.studio.runs import StudioRun
from agent.studio.talk_desk import TalkDesk, TalkId
from agent.studio.talk_view import ENDINGS, blocked, frame_now, stage_words
from agent.studio.thumbnails import pictures
from ditto_models.settings import first_problem

if TYPE_CHECKING:
    from agent.studio.app import Studio

Call = Annotated[PersonCall | None, Form()]


def routes(studio: Studio) -> APIRouter:
    """The pages' addresses."""
    router = APIRouter()
    desk = TalkDesk(studio)

    @router.get("/runs/{key}/talks")
    def talks(key: str, page: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
        run = studio.run(key)
        rows, more = desk.newest(run, page)
        shown: dict[str, object] = {
            "run": run,
            "rows": rows,
            "more": more,
            "page": page,
            "talks_here": desk.talks_in(run),
        }
        shown |= {"stage_words": stage_words, "pictures": pictures}
        return HTMLResponse(studio.pages.text("talks.html.j2", **shown))

    @router.get("/runs/{key}/talks/{talk_id}")
    def talk(key: str, talk_id: TalkId) -> Response:
        run = studio.run(key)
        return HTMLResponse(studio.pages.text("talk.html.j2", **_shown(desk, studio.pages.csrf, run, talk_id)))

    @router.get("/runs/{key}/talks/{talk_id}/live")
    def live(key: str, talk_id: TalkId, seen: str = "") -> Response:
        shown = _shown(desk, studio.pages.csrf, studio.run(key), talk_id)
        if shown["seen"] == seen:
            return Response(status_code=204)
        return HTMLResponse(studio.pages.text("talk_live.html.j2", **shown))

    @router.post("/runs/{key}/talks/{talk_id}")
    def move(
        request: Request,
        key: str,
        talk_id: TalkId,
        call: Call = None,
        words: Annotated[str, Form()] = "",
        number: Annotated[int, Form()] = 0,
        frame: Annotated[int | None, Form()] = None,
    ) -> Response:
        run = studio.run(key)
        client = desk.client(run)
        refused = ""
        try:
            if call is None:
                client.hear(talk_id, words)
            else:
                client.move(talk_id, Move(call=call, words=words, number=number, frame_index=frame))
        except MoveError as error:
            refused = str(error)
        except ValidationError as error:
            refused = first_problem(error)
        if request.headers.get("hx-request"):
            answer = HTMLResponse(
                studio.pages.text("talk_live.html.j2", **_shown(desk, studio.pages.csrf, run, talk_id, refused))
            )
            answer.headers["X-Talk"] = "refused" if refused else "taken"
            return answer
        if refused:
            raise HTTPException(409, refused)
        return RedirectResponse(f"/runs/{key}/talks/{talk_id}", 303)

    @router.get("/runs/{key}/talks/{talk_id}/refinement.json")
    def refinement(key: str, talk_id: TalkId) -> Response:
        run = studio.run(key)
        row = run.ledger.row(talk_id)
        if row is None:
            raise HTTPException(404, f"there is no conversation {talk_id!r} in this run")
        said = [turn.model_dump(mode="json", exclude_defaults=True) for turn in turns(run.ledger.events(talk_id))]
        headers = {"Content-Disposition": f'attachment; filename="{talk_id}.json"'}
        return JSONResponse({"id": talk_id, "decision": row.sample.decision, "turns": said}, headers=headers)

    return router


def _shown(desk: TalkDesk, word: str, run: StudioRun, talk_id: str, refused: str = "") -> dict[str, object]:
    """What the templates of one conversation need."""
    standing = desk.standing(run, talk_id)
    sample = standing.sample
    has_clip = bool(sample.clip and sample.clip.video)
    return {
        "run": run,
        "talk_id": talk_id,
        "sample": sample,
        "status": standing.status,
        "view": standing.view,
        # A studio that was started again wants another word with every order: then an open page must learn it.
        "seen": f"{standing.view.seen}-{sha256(word.encode()).hexdigest()[:8]}",
        "refused": refused or standing.status.problem,
        "talks_here": desk.talks_in(run),
        "pair": pair_of(sample) if has_clip and sample.edit else None,
        "has_clip": has_clip,
        "most_words": MOST_WORDS,
        "endings": ENDINGS,
        "frame_now": frame_now(sample),
        "blocked_result": blocked(sample.verdict),
    }
