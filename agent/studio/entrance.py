"""The door of a studio that other machines can reach: the token once, then a cookie that is not the token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from agent.studio.request_body import RequestBody

ENTER = "/enter"
SHORTEST_TOKEN = 16
"""In characters: what can be guessed over the network would be."""
STAYS_SECONDS = 30 * 24 * 3600
WRONG_SECONDS = 1.0
MOST_GUESSES = 8
"""Wrong guesses that are held at a time: with `WRONG_SECONDS`, the most that can be tried in a second."""


class NotInside(HTTPException):
    """Somebody who must say the token first."""


class Entrance:
    """Lets in who knows the token. The port is in the cookie's name: browsers give a cookie to every port."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token
        self._cookie = f"ditto_studio_{port}"
        self._guesses = 0

    async def stop(self, scope: Scope, headers: Headers, body: RequestBody) -> Response | None:
        """None where a request may go on; else what it is answered.

        Raises:
            NotInside: it must come in first.
            HTTPException: 429, too many guess at the same time.
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if scope["method"] == "POST" and scope["path"] == ENTER:
            return await self._entered(await body.field("token", headers), "/")
        if given is not None and scope["method"] in ("GET", "HEAD"):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # One slash, and nothing that a browser takes for one: an address of this studio, never of another.
            path = "/" + quote(scope["path"].lstrip("/"))
            return await self._entered(given, f"{path}?{rest}" if rest else path)
        if scope["path"].startswith("/static/") or self._is_inside(headers):
            return None
        raise NotInside(401, "say the token that this studio was started with")

    async def _entered(self, given: str, then: str) -> Response:
        if self._guesses >= MOST_GUESSES:
            raise HTTPException(429, "too many are guessing at the token; try again in some seconds")
        if not _same(given, self._token):
            self._guesses += 1
            try:
                await asyncio.sleep(WRONG_SECONDS)
            finally:
                self._guesses -= 1
            raise NotInside(401, "that is not the token that this studio was started with")
        answer = RedirectResponse(then, 303)
        answer.set_cookie(self._cookie, self._pass(int(time.time())), STAYS_SECONDS, httponly=True, samesite="strict")
        return answer

    def _is_inside(self, headers: Headers) -> bool:
        shown = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        since = shown.partition(".")[0]
        if not (since.isascii() and since.isdigit() and len(since) < 15 and _same(shown, self._pass(int(since)))):
            return False
        return time.time() - int(since) < STAYS_SECONDS

    def _pass(self, since: int) -> str:
        """What the cookie holds: when somebody came in, signed; another token makes it worth nothing."""
        signed = hmac.new(self._token.encode(), f"ditto studio, inside since {since}".encode(), hashlib.sha256)
        return f"{since}.{signed.hexdigest()}"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
