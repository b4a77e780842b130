"""What is known of published weights without asking anybody: licence, whether it lets one earn with it, and size."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ditto_models.yaml_text import from_yaml

TABLE_PATH = Path(__file__).with_suffix(".yaml")


class PartSize(BaseModel):
    """Of one part of a repository."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    billion: float = Field(gt=0)
    """Parameters."""
    gb: float = Field(gt=0)
    """On the hub's disk, 1e9 bytes."""


class Licence(BaseModel):
    """On what terms weights are had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: str
    """SPDX identifier, or its name."""
    commercial: Literal["yes", "no", "conditions", "unknown"]
    """Whether it lets one earn money with what the weights make."""
    conditions: str = ""
    instead: str = ""
    """What does the same on better terms."""
    verified: bool = True
    """Whether a source was found for it."""


class KnownWeights(Licence):
    """One repository."""

    gated: bool = False
    """Whether the hub wants the licence accepted first."""
    commit: str = Field(default="", pattern=r"^$|^[0-9a-f]{40}$")
    """That a revision may be pinned to, where one was found."""
    parts: Mapping[str, PartSize] = Field(default_factory=dict)
    """By subfolder; "" is the whole of a repository without any."""
    files: Mapping[str, Licence] = Field(default_factory=dict)
    """Terms of files that differ, by pattern."""

    def terms(self, file: str) -> Licence:
        """Those of one file; of the repository where it is "", or has none of its own."""
        return next((terms for pattern, terms in self.files.items() if file and fnmatch(file, pattern)), self)


@cache
def _table() -> dict[str, KnownWeights]:
    table = TypeAdapter(dict[str, KnownWeights]).validate_python(from_yaml(TABLE_PATH.read_text()))
    return {repo.lower(): known for repo, known in table.items()}


def known(repo: str) -> KnownWeights | None:
    """What the table has of a repository; None where it has nothing. The hub's names know no case."""
    return _table().get(repo.lower())
