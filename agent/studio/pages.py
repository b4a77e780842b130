"""From a template and what it shows to a page. What comes from models, files and people shows as text."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import jinja2
from starlette.responses import HTMLResponse

from agent.plain import plain
from agent.reports.page import told
from agent.studio.runs import StudioRun

FOLDER = Path(__file__).parent / "templates"
SECTIONS = ("campaign", "samples", "talks", "compare")
"""Pages that every run has, by the last word of their address."""
TITLES = {
    400: "Not understood",
    403: "Not allowed",
    405: "Not what this address is for",
    413: "Too much at once",
    421: "Asked by another name",
    422: "Not understood",
    429: "Too many at once",
    500: "The studio broke",
    503: "Not just now",
}
"""What went wrong, where the standard's own phrase says little to a stranger."""


class Pages:
    """Renders the templates of the studio; `read_only` hides what orders."""

    bundled = False
    """Whether the pages are for a copy that nobody serves, so that they must hold all that others ask for later."""

    def __init__(self, runs: Mapping[str, StudioRun], read_only: bool) -> None:
        self.csrf = secrets.token_urlsafe(24)
        """What every order must carry: only pages of this studio know it."""
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"told": told, "plain": plain, "spaced": spaced}
        self._environment.globals |= {
            "runs": runs,
            "read_only": read_only,
            "bundled": self.bundled,
            "sections": SECTIONS,
            "csrf": self.csrf,
            "href": lambda path: path,
            "asset": lambda name: f"/static/{name}",
            "media": lambda run, reference: f"/runs/{run.key}/media/{reference}",
        }

    def text(self, template: str, **shown: object) -> str:
        """A page, or a part of one, as HTML."""
        return self._environment.get_template(template).render(shown)

    def response(self, template: str, status: int = 200, **shown: object) -> HTMLResponse:
        """The same as an answer."""
        return HTMLResponse(self.text(template, **shown), status)

    def problem(self, status: int, words: str, known: bool = True) -> HTMLResponse:
        """A page that says what went wrong; where `known` is false, one without the studio's secrets."""
        shown = {} if known else {"csrf": ""}
        title = TITLES.get(status, HTTPStatus(status).phrase)
        return self.response("problem.html.j2", status, title=title, words=words, run=None, **shown)


def spaced(name: str) -> str:
    """The name of an axis, a reason or an edit type as words."""
    return name.replace("_", " ")
