"""Small pictures of artifacts, made when they are first looked at and kept while the studio runs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
from fastapi import APIRouter
from fastapi import Path as FromPath
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from agent.studio.media_files import FOREVER
from ditto_models.base import Frame
from ditto_models.container import VideoError, opened, unreadable
from ditto_models.video import rgb
from memory.sample import KeyFrame, Sample
from tools.contact_sheet import thumbnail
from tools.media import image_of

if TYPE_CHECKING:
    from agent.studio.app import Studio

WIDTH = 320
"""Pixels across: twice what the list shows, for fine screens."""
QUALITY = 82
Reference = Annotated[str, FromPath(pattern=r"^[0-9a-f]{64}\.(mp4|png|jpg)$")]


def routes(studio: Studio) -> APIRouter:
    """The pictures' addresses."""
    router = APIRouter()
    folder = studio.scratch / "thumbnails"
    folder.mkdir(exist_ok=True)

    @router.get("/runs/{key}/thumbnails/{reference}")
    def small(key: str, reference: Reference) -> Response:
        run = studio.run(key)
        place = folder / f"{reference}.jpg"  # the same content is the same picture, whichever run it is of
        try:
            path = run.artifacts.path(reference)
            if not place.exists():
                make(path, place)
        except FileNotFoundError:
            raise HTTPException(404, "this file was given up, as the run's retention asks") from None
        except (ValueError, VideoError) as error:
            raise HTTPException(404, f"there is no picture in {reference!r} ({error})") from error
        return FileResponse(place, headers=FOREVER, media_type="image/jpeg")

    return router


def make(path: Path, place: Path) -> None:
    """Write the small picture of an image, or of a video's first frame: nothing after it is decoded.

    Raises:
        ValueError, VideoError: it is neither.
    """
    frame = _first_frame(path) if path.suffix == ".mp4" else image_of(path.read_bytes())
    handle, part = tempfile.mkstemp(dir=place.parent, suffix=".part")
    with open(handle, "wb") as file:
        file.write(_jpeg(thumbnail(frame, WIDTH)))
    Path(part).rename(place)


def _first_frame(path: Path) -> Frame:
    with opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise VideoError(unreadable(path, "it holds no frame"))
        return rgb(first)


def _jpeg(frame: Frame) -> bytes:
    whole, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    if not whole:
        raise ValueError(f"a frame of shape {frame.shape} cannot be written as JPEG; expected HWC uint8")
    return data.tobytes()


def pictures(sample: Sample) -> list[tuple[str, str]]:
    """What shows a sample at a glance: captions and artifacts, source before edit; none of one that has none left."""
    if sample.artifacts == "thinned" and sample.sheet:
        return [("contact sheet", sample.sheet)]
    if sample.artifacts != "kept":
        return []
    frame = sample.key_frame or _previewed(sample)
    if frame is None:
        return [("source", sample.clip.video)] if sample.clip and sample.clip.video else []
    edited = frame.chosen or next(iter(frame.candidates), "")
    return [("source", frame.source), *([("edited", edited)] if edited else [])]


def _previewed(sample: Sample) -> KeyFrame | None:
    """Of a conversation: the preview that the person turned to, or the first."""
    offered = sorted(sample.proposals, key=lambda one: one.number != sample.focus)
    return next((one.key_frame for one in offered if one.key_frame), None)
