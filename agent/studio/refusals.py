"""What went wrong, as a page in words; for a part of a page that was asked for, as a note at its foot."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.plain import plain
from agent.studio.entrance import NotInside
from memory.group_commit import LedgerError

if TYPE_CHECKING:
    from agent.studio.app import Studio

WORDS = {
    "Not Found": "there is no such page",
    "Method Not Allowed": "this address is not for that: it is looked at, or given an order, but not both",
}
"""The server's own phrases, as a stranger would want them."""


def refusal(studio: Studio, headers: Headers, status: int, words: str, known: bool = True) -> Response:
    """An answer that says no. `known` is false for who may not see more of this studio than that."""
    words = plain(WORDS.get(words, words))[:500]
    if headers.get("hx-request"):
        answer: Response = studio.pages.response("note.html.j2", status, words=words)
        answer.headers.update({"HX-Retarget": "#notes", "HX-Reswap": "innerHTML"})
        return answer
    return studio.pages.problem(status, words, known)


def at_the_door(studio: Studio, headers: Headers, error: HTTPException) -> Response:
    """What the guard says no with: never a page that knows the studio's secrets."""
    if isinstance(error, NotInside) and not headers.get("hx-request"):
        return studio.pages.response("enter.html.j2", error.status_code, words=error.detail, run=None, csrf="")
    return refusal(studio, headers, error.status_code, error.detail, known=False)


def explain(app: FastAPI, studio: Studio) -> None:
    """Let everything that the application raises become such an answer; traces go to the terminal."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return refusal(studio, request.headers, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def not_understood(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = str(first["loc"][-1])
        words = f"{place!r} is not as this page needs it: {first['msg'][:1].lower()}{first['msg'][1:]}"
        return refusal(studio, request.headers, 422, words)

    @app.exception_handler(LedgerError)
    def ledger_failed(request: Request, error: LedgerError) -> Response:
        # Its line names a folder, which is nobody's business who looks from another machine.
        print(f"error: {error}", file=sys.stderr, flush=True)
        words = "the run's ledger cannot be used just now; the terminal that this studio runs in says why"
        return refusal(studio, request.headers, 503, words)

    @app.exception_handler(Exception)
    async def broke(request: Request, error: Exception) -> Response:
        words = "something in the studio broke; the terminal that it runs in says what"
        return refusal(studio, request.headers, 500, words)
