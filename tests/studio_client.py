"""A studio's application asked in this process, with what its own pages send along: the word, and where they are."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from agent.studio.app import Studio, create_app
from agent.studio.guard import Access
from agent.studio.pages import Pages
from agent.studio.runs import open_runs

ADDRESS = "http://127.0.0.1:8700"


def studio_client(
    *folders: Path, scratch: Path, read_only: bool = False, access: Access | None = None, raises: bool = True
) -> TestClient:
    """A client whose orders a studio takes; use it as a context."""
    runs = open_runs(folders, read_only)
    pages = Pages(runs, read_only)
    app = create_app(Studio(runs=runs, pages=pages, scratch=scratch, read_only=read_only, access=access or Access()))
    own = {"Origin": ADDRESS, "X-CSRF-Token": pages.csrf}
    return TestClient(app, base_url=ADDRESS, headers=own, raise_server_exceptions=raises)
