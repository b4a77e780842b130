"""Kinds of edits for editors that follow any words, and what each means for offers, routes, words and judging."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ditto_models.base import Route
from ditto_models.yaml_text import from_yaml
from memory.sample import Scope
from tools.catalogue import Needs, is_met

TYPES_PATH = Path(__file__).parents[1] / "prompts" / "edit_types.yaml"
Shapes = Literal["kept", "redrawn", "changed"]
Names = Literal["", "what", "where"]


class EditType(BaseModel):
    """One kind of edit; `prompts/edit_types.yaml` says what each field means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Scope
    routes: tuple[Route, ...] = Field(min_length=1)
    about: str
    names: Names = ""
    shapes: Shapes
    lively: bool = False
    requires: tuple[Needs, ...] = Field(default=({},), min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.scope == "local") != bool(self.names):
            raise ValueError(
                f"a {self.scope} edit that names {self.names!r}; a local one names what or where, no other"
            )
        return self

    def suits(self, facts: Mapping[str, float], finds_targets: bool) -> bool:
        """Whether it may be offered for a clip of these facts.

        `finds_targets`: whether things are found in a clip by their names. Then anything that the caption has may be
        edited, and something new may be put anywhere; without, the main subject is all that can be told apart.
        """
        if self.names and finds_targets:
            return True
        return self.names != "where" and is_met(self.requires, facts)


@cache
def open_edit_types() -> Mapping[str, EditType]:
    """Those that ship with the code, by name.

    Raises:
        pydantic.ValidationError: one has an unknown key, or does not fit together.
    """
    loaded = from_yaml(TYPES_PATH.read_text())["edit_types"]
    return {name: EditType.model_validate(values) for name, values in loaded.items()}
