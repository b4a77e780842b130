"""Where a page or a file of the studio lies in a static copy, and how pages there refer to each other."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from posixpath import relpath
from urllib.parse import parse_qsl, urlencode, urlsplit

START = PurePosixPath("index.html")
ELSEWHERE = PurePosixPath("not-in-this-copy.html")
"""Where links lead whose page is not copied: what orders, or needs a server that searches."""
LIST = "list.js"
"""What the copy's own list is searched in, one for each run."""
_ID = r"[^/]+"
_NOTHING = frozenset[str]()
_KEPT = {
    rf"/runs/{_ID}/(campaign|talks/{_ID}|samples/{_ID}/calls/{_ID})": _NOTHING,
    rf"/runs/{_ID}/samples": frozenset({"decision", "page"}),
    rf"/runs/{_ID}/samples/{_ID}": frozenset({"edited"}),
    rf"/runs/{_ID}/talks": frozenset({"page"}),
    rf"/runs/{_ID}/compare": frozenset({"first", "second"}),
    rf"/runs/{_ID}/(media|thumbnails)/{_ID}\.\w+": _NOTHING,
    rf"/runs/{_ID}/samples/{_ID}/pair\.mp4": frozenset({"edited"}),
    rf"/runs/{_ID}/talks/{_ID}/refinement\.json": _NOTHING,
}
"""Addresses that are copied, each with what of its query makes another page of it."""


@dataclass(kw_only=True)
class Places:
    """What a copy is made of so far, and from which page addresses are written just now."""

    runs: Collection[str]
    """Keys of the runs that are copied."""
    here: PurePosixPath = START
    """The page that is being written."""
    wanted: dict[PurePosixPath, str] = field(default_factory=dict)
    """Every page and file that something refers to: its place, and the studio's address of it."""

    def link(self, address: str) -> str:
        """What a page says where the studio would say `address`."""
        if address == "/":
            return self._from_here(START)
        if re.fullmatch(rf"/runs/{_ID}/{LIST}", address):
            return self._from_here(PurePosixPath(address.lstrip("/")))
        kept = _kept(address)
        if kept is None or address.split("/")[2] not in self.runs:
            return self._from_here(ELSEWHERE)
        place = place_of(kept)
        self.wanted.setdefault(place, kept)
        left = [pair for pair in parse_qsl(urlsplit(address).query) if pair not in parse_qsl(urlsplit(kept).query)]
        # What the list was asked for is left to the search of the copy's own list.
        searched = f"#{urlencode(left)}" if left and kept.partition("?")[0].endswith("/samples") else ""
        return self._from_here(place) + searched

    def asset(self, name: str) -> str:
        """A file of the studio's own."""
        return self._from_here(PurePosixPath("static", name))

    def _from_here(self, place: PurePosixPath) -> str:
        return relpath(str(place), str(self.here.parent))


def place_of(address: str) -> PurePosixPath:
    """The file that an address becomes: a page ends in .html, and its query is part of its name."""
    parts = urlsplit(address)
    path = PurePosixPath(parts.path.lstrip("/"))
    if path.parent.name == "thumbnails":  # of a picture in any form, itself a JPEG
        return path.with_name(f"{path.name}.jpg")
    said = "-".join(re.sub(r"[^\w-]+", "-", value) for pair in parse_qsl(parts.query) for value in pair if value)
    suffix = path.suffix if path.suffix in (".mp4", ".png", ".jpg", ".json") else ".html"
    stem = path.name.removesuffix(suffix) + (f"-{said}" if said else "")
    return path.with_name(stem + suffix)


def _kept(address: str) -> str | None:
    """The address without what makes no other page; None where there is no copy of it."""
    parts = urlsplit(address)
    for pattern, names in _KEPT.items():
        if re.fullmatch(pattern, parts.path):
            query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name in names])
            return f"{parts.path}?{query}" if query else parts.path
    return None
