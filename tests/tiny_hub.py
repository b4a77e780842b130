"""A small real HTTP server in the shape of a model hub, so that huggingface_hub really lists, downloads and fails.

    with TinyHub() as hub:
        hub.add("org/name", {"config.json": b"{}", "model.safetensors": tensor_file(...)})
        hub.gate("org/name"); hub.fail(500); hub.cut("model.safetensors"); hub.stall()

`hub.asked` keeps METHOD and path of what came, in order, and `hub.tokens` the authorization headers. Served, as
huggingface_hub 2.4 asks for it: /api/models/REPO[/revision/REV] with siblings, /api/models/REPO/tree/REV, and
/REPO/resolve/REV/FILE with X-Repo-Commit, ETag, ranges. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import pytest


def tensor_file(**shapes: tuple[int, ...]) -> bytes:
    """A *.safetensors file of float32 zeros, by name and shape."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


@dataclass
class Repo:
    """What the hub holds of one name."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    card: dict[str, str] = field(default_factory=dict)


class TinyHub:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.status = 0
        """Of every answer, where it is not 0."""
        self.cuts: set[str] = set()
        """Files whose next download breaks off half way."""
        self.go_on = threading.Event()
        """Clear: no request is answered."""
        self.go_on.set()
        hub = self

        class Handler(_Handler):
            owner = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, files: Mapping[str, bytes], licence: str = "apache-2.0", gated: bool = False) -> str:
        """Commit files to the main branch of a repository; returns the commit."""
        repo = self.repos.setdefault(name, Repo(card={"license": licence}, gated=gated))
        digest = hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()
        repo.commits[digest] = dict(files)
        repo.refs["main"] = digest
        return digest

    def paths(self, method: str = "GET") -> list[str]:
        """Files that were asked for by a method."""
        begin = f"{method} "
        return [line.split("/", 5)[-1] for line in self.asked if line.startswith(begin) and "/resolve/" in line]


class _Handler(BaseHTTPRequestHandler):
    owner: TinyHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""

    def do_HEAD(self) -> None:
        """The same without a body."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A listing, or a file."""
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, path = self.owner, unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        hub.tokens.append(self.headers.get("authorization", ""))
        hub.go_on.wait(60)
        if hub.status:
            return self._send(hub.status, b"broken", body=body)
        if path.startswith("/api/models/"):
            return self._described(path.removeprefix("/api/models/").split("/"), body)
        before, _, after = path.partition("/resolve/")
        revision, _, name = after.partition("/")
        repo = hub.repos.get(before.strip("/"))
        return self._file(repo, revision, name, body)

    def _described(self, words: list[str], body: bool) -> None:
        repo, name = self.owner.repos.get("/".join(words[:2])), "/".join(words[:2])
        if repo is None:
            return self._refuse(404, "RepoNotFound", body)
        revision = words[3] if len(words) > 3 else "main"
        commit = repo.refs.get(revision, revision)
        if commit not in repo.commits:
            return self._refuse(404, "RevisionNotFound", body)
        files = repo.commits[commit]
        if words[2:3] == ["tree"]:
            tree = [{"type": "file", "path": one, "size": len(files[one]), "oid": _etag(files[one])} for one in files]
            return self._send(200, json.dumps(tree).encode(), body=body)
        about = {"id": name, "sha": commit, "gated": "auto" if repo.gated else False, "cardData": repo.card}
        siblings = [{"rfilename": one, "size": len(files[one]), "blobId": _etag(files[one])} for one in files]
        return self._send(200, json.dumps({**about, "siblings": siblings}).encode(), body=body)

    def _file(self, repo: Repo | None, revision: str, name: str, body: bool) -> None:
        if repo is None:
            return self._refuse(404, "RepoNotFound", body)
        if repo.gated and not self.headers.get("authorization"):
            return self._refuse(401, "GatedRepo", body)
        commit = repo.refs.get(revision, revision)
        content = repo.commits[commit].get(name)
        if content is None:
            return self._refuse(404, "EntryNotFound", body)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_etag(content)}"', "Accept-Ranges": "bytes"}
        begin = self.headers.get("range", "")
        if begin:
            start = int(begin.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, content[start:], headers, body)
        if body and name in self.owner.cuts:
            self.owner.cuts.discard(name)
            self._head(200, {**headers, "Content-Length": str(len(content))})
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return None
        return self._send(200, content, headers, body)

    def _refuse(self, status: int, code: str, body: bool) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code}, body)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None, body: bool = True) -> None:
        self._head(status, {**(headers or {}), "Content-Length": str(len(content))})
        if body:
            self.wfile.write(content)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _etag(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def model_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    """The hub that huggingface_hub asks in this process, with an empty cache and no token."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with TinyHub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub
