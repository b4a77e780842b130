"""Every word said to a model: strict Jinja templates, one a file, each known by the hash of its text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Rendered text and the hash of the template that it came from."""

    text: str
    hash: str


def render(name: str, **values: object) -> Prompt:
    """Render `prompts/NAME.j2`.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
        jinja2.TemplateNotFound: there is no such template.
    """
    return Prompt(text=_environment().get_template(f"{name}.j2").render(**values), hash=hash_of(f"{name}.j2"))


@cache
def hash_of(file: str) -> str:
    """The first 16 hex digits of the sha256 of a prompt file."""
    return hashlib.sha256((FOLDER / file).read_bytes()).hexdigest()[:16]


@cache
def hash_of_all() -> str:
    """One hash over every prompt file, for a sample's record."""
    files = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in {".j2", ".yaml"})
    return hashlib.sha256(" ".join(map(hash_of, files)).encode()).hexdigest()[:16]


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
