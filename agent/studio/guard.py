"""Who may ask this studio for what: the first thing that every request meets, before any page.

Other sites that a person has open in the same browser can send requests to this machine's own addresses. So the name
that was asked for must be this machine's (against DNS rebinding), and whatever changes something must come from a page
of this studio: its origin, and a word that only such pages know (against forged orders).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.studio.entrance import ENTER, Entrance
from agent.studio.request_body import RequestBody, limit_for

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
READ_ONLY = "this studio was started with --read-only: it takes no orders"
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "media", "connect")),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that, browsers send the studio's own forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may come in."""

    any_host: bool = False
    """Whether the studio may be asked for by any name; else only by those of this machine itself."""
    token: str = ""
    """What people must know; empty: nothing."""
    port: int = 8700
    read_only: bool = False
    """Whether nobody may change anything, whatever a page would do with an order."""


class Guard:
    """The application behind these rules. `refuse` makes the answer to a request's headers that says no."""

    def __init__(
        self, app: ASGIApp, access: Access, csrf: str, refuse: Callable[[Headers, HTTPException], Response]
    ) -> None:
        self.app = app
        self._access = access
        self._csrf = csrf
        self._refuse = refuse
        self._entrance = Entrance(access.token, access.port) if access.token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "this studio has no websockets"})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            await self._answer(scope, receive, _with_headers(scope, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        body = RequestBody(receive, limit_for(scope["path"]))
        try:
            answer = await self._checked(scope, headers, body)
        except HTTPException as error:
            answer = self._refuse(headers, error)
            await body.drain()
        if answer is None:
            # A HEAD is answered as the GET would be, without what it would send.
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            await self.app({**scope, "method": method}, body.receive, send)
        else:
            await answer(scope, receive, send)

    async def _checked(self, scope: Scope, headers: Headers, body: RequestBody) -> Response | None:
        """None lets the request in; else what it is answered.

        Raises:
            HTTPException: it is refused.
        """
        self._check_host(headers)
        body.check_length(headers)
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"Allow": "GET, HEAD, POST"})
        if scope["method"] not in SAFE:
            _check_origin(headers)
        if self._entrance is not None:
            stopped = await self._entrance.stop(scope, headers, body)
            if stopped is not None:
                return stopped
        if scope["method"] not in SAFE and scope["path"] != ENTER:
            if self._access.read_only:
                raise HTTPException(403, READ_ONLY)
            given = headers.get("x-csrf-token") or await body.field("csrf", headers)
            if not hmac.compare_digest(given.encode(), self._csrf.encode()):
                raise HTTPException(
                    403, "this order does not come from a page that this studio made since it was started; "
                    "go back, reload the page, and give it again"
                )  # fmt: skip
        return None

    def _check_host(self, headers: Headers) -> None:
        name = _name(headers.get("host", ""))
        if not name or not (self._access.any_host or name in LOOPBACK):
            raise HTTPException(
                421, f"this studio is not called {name!r}; expected localhost or 127.0.0.1 "
                "(or start it with --host and a token, to be asked for by other names)"
            )  # fmt: skip


def _with_headers(scope: Scope, send: Send) -> Send:
    caching = "no-cache" if scope["path"].startswith("/static/") else "no-store"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", caching)
        elif scope["method"] == "HEAD":
            message = {**message, "body": b""}
        await send(message)

    return sending


def _check_origin(headers: Headers) -> None:
    """Refuse what another site's page sends.

    Raises:
        HTTPException: 403.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    own = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
    if (origin is None and site is None) or not own or site not in (None, "same-origin"):
        said = origin or site or "no page at all"
        raise HTTPException(403, f"this order comes from {said!r}; only this studio's own pages may give any")


def _name(host: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
