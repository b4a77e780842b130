"""The application asked in this process, by nobody's browser."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it said."""

    status: int
    kind: str
    """The content's media type, without its parameters."""
    body: bytes


async def ask(app: ASGIApp, address: str) -> Answer:
    """GET an address, such as "/runs/a/samples?page=2".

    Raises:
        Exception: whatever the application raises.
    """
    path, _, query = address.partition("?")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    status, headers, body = 0, Headers(), bytearray()

    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()  # who asks waits to the end of the answer
        return messages.pop()

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], Headers(raw=message["headers"])
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(status=status, kind=headers.get("content-type", "").partition(";")[0], body=bytes(body))
