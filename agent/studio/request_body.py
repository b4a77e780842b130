"""The body of a request: no longer than its address allows, and read ahead as far as the first field where asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

SMALL_BYTES = 64 << 10
UPLOAD_BYTES = 2 << 30
_UPLOADS = re.compile(r"/runs/[^/]+/uploads")
_AHEAD_BYTES = 64 << 10
"""How far into a form its csrf field must lie."""
_DRAINED_BYTES = 4 << 20
"""What is read of a body that is refused, so that the browser sees the answer and not a broken connection."""


def limit_for(path: str) -> int:
    """How many bytes may be sent to an address."""
    return UPLOAD_BYTES if _UPLOADS.fullmatch(path) else SMALL_BYTES


class RequestBody:
    """What is sent, counted. `receive` gives it to the application, with what was read ahead first."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._count = 0
        self._ahead: list[Message] = []
        self._ended = False

    def check_length(self, headers: Headers) -> None:
        """Refuse a body that says that it is too long.

        Raises:
            HTTPException: 413.
        """
        said = headers.get("content-length", "0")
        if not said.isascii() or not said.isdigit() or len(said) > 15:
            raise HTTPException(400, "the length of what was sent is no number")
        if int(said) > self._limit:
            raise self._too_long()

    async def receive(self) -> Message:
        """The next message of the body, as ASGI has it.

        Raises:
            HTTPException: 413, it grew too long.
        """
        return self._ahead.pop(0) if self._ahead else await self._next()

    async def field(self, name: str, headers: Headers) -> str:
        """A field of a form, or the first field of one with files; empty where it is not there.

        Raises:
            HTTPException: 413, the body is too long; 422, it is no such form.
        """
        kind, options = parse_options_header(headers.get("content-type", ""))
        if kind == b"application/x-www-form-urlencoded":
            return await self._urlencoded(name)
        if kind == b"multipart/form-data":
            return await self._multipart(name, options.get(b"boundary", b""))
        return ""

    async def drain(self) -> None:
        """Read what is left, so far as that is little."""
        self._limit = _DRAINED_BYTES
        try:
            while not self._ended:
                await self._next()
        except HTTPException:
            return

    async def _next(self) -> Message:
        message = await self._receive()
        self._count += len(message.get("body", b""))
        self._ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        if self._count > self._limit:
            raise self._too_long()
        return message

    async def _read_ahead(self) -> bytes:
        message = await self._next()
        self._ahead.append(message)
        return bytes(message.get("body", b""))

    async def _urlencoded(self, name: str) -> str:
        read = bytearray()
        while not self._ended:
            read += await self._read_ahead()
        try:
            fields = parse_qs(read.decode(), max_num_fields=1000)
        except ValueError:
            raise HTTPException(422, "what was sent is no form that this studio understands") from None
        return fields.get(name, [""])[0]

    async def _multipart(self, name: str, boundary: bytes) -> str:
        first = _FirstField()
        try:
            parser = MultipartParser(boundary, first.callbacks())
            while not self._ended and not first.whole and self._count < _AHEAD_BYTES:
                parser.write(await self._read_ahead())
        except FormParserError:
            raise HTTPException(422, "what was sent is no form that this studio understands") from None
        return first.value.decode(errors="replace") if first.whole and first.name == name else ""

    def _too_long(self) -> HTTPException:
        return HTTPException(413, f"more was sent than this address takes, which is {self._limit >> 10} KiB")


class _FirstField:
    """Listens to a parser of forms with files until the first field has ended."""

    def __init__(self) -> None:
        self.name = ""
        self.value = bytearray()
        self.whole = False
        self._header = bytearray()
        self._told = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_header_field": self._on_header,
            "on_header_value": self._on_told,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_data,
            "on_part_end": self._on_end,
        }

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_told(self, data: bytes, start: int, end: int) -> None:
        self._told += data[start:end]

    def _on_header_end(self) -> None:
        if not self.whole and self._header.lower() == b"content-disposition":
            options = parse_options_header(bytes(self._told))[1]
            self.name = "" if b"filename" in options else options.get(b"name", b"").decode(errors="replace")
        self._header, self._told = bytearray(), bytearray()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if not self.whole:
            self.value += data[start:end]

    def _on_end(self) -> None:
        self.whole = True
