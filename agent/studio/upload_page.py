"""A person's own video on its way in: streamed to disk within a hard limit, one at a time, then looked at apart."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from agent.conversation.uploads import UploadConfig, UploadRefused, check_bytes, take_upload
from agent.studio.talk_desk import TalkDesk

if TYPE_CHECKING:
    from agent.studio.app import Studio

SILENCE_SECONDS = 60.0
"""After which a sender who sends nothing is given up, so that the next one can."""
DRAIN_SECONDS = 20.0
"""For which what is sent of a refused file is read and dropped: else the browser sees a broken line, and no answer."""


def routes(studio: Studio) -> APIRouter:
    """The upload's address. It answers in one line of plain text, or with the Location of what was taken."""
    router = APIRouter()
    desk, config, turn = TalkDesk(studio), UploadConfig(), asyncio.Lock()

    @router.post("/runs/{key}/uploads")
    async def upload(key: str, request: Request) -> Response:
        run = studio.run(key)
        least = config.model_copy(update={"min_frames": run.config.profile.clips.frames})
        await run_in_threadpool(desk.client, run)
        if turn.locked():
            return await _refuse(request, 429, "another video is being taken; try again when that is done")
        async with turn:
            with tempfile.NamedTemporaryFile(dir=studio.scratch, prefix="upload-") as file:
                try:
                    check_bytes(int(request.headers.get("content-length", "1")), config)
                    await _receive(request, Path(file.name), config)
                    taken = await run_in_threadpool(take_upload, run.folder, Path(file.name), least)
                except UploadRefused as error:
                    status = 413 if "too large" in str(error) else 422
                    return await _refuse(request, status, str(error))
                except TimeoutError:
                    return PlainTextResponse(f"nothing came for {SILENCE_SECONDS:g} s; upload it again", 408)
                except ClientDisconnect:
                    return Response(status_code=499)
                except OSError as error:
                    return await _refuse(request, 507, f"the video cannot be kept ({error.strerror}); make room")
        studio.uploads.remember(run.folder, taken)
        return Response(status_code=201, headers={"Location": f"/runs/{key}/uploads/{taken.name}"})

    return router


async def _receive(request: Request, path: Path, config: UploadConfig) -> None:
    size = 0
    with path.open("wb") as file:
        async for chunk in _chunks(request):
            size += len(chunk)
            check_bytes(max(1, size), config)
            await run_in_threadpool(file.write, chunk)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    chunks = aiter(request.stream())
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        yield chunk


async def _refuse(request: Request, status: int, words: str) -> Response:
    """Answer in one line, once the sender listens."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in request.stream():
                pass
    except (TimeoutError, ClientDisconnect, RuntimeError):
        pass  # it was read to its end before, or never will be
    return PlainTextResponse(words, status)
