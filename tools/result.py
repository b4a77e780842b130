"""What a tool gives back, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

from pydantic import JsonValue

from ditto_models.executors.base import Timed
from memory.noun import Noun


class Cost(TypedDict):
    """What a call of models took."""

    model_seconds: float
    gpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """The keys of the sample that the tool changed, what it cost, and one line for the trace."""

    changes: dict[str, object] = field(default_factory=dict)
    """Nouns, or values that JSON has."""
    note: str = ""
    model: str | None = None
    model_seconds: float = 0.0
    gpu_seconds: float = 0.0

    def as_json(self) -> dict[str, JsonValue]:
        """The changes as the ledger keeps them."""
        return {key: _json(value) for key, value in self.changes.items()}


def cost(*made: Timed[Any]) -> Cost:
    """What calls of models took together."""
    return Cost(model_seconds=sum(each.seconds for each in made), gpu_seconds=sum(each.gpu_seconds for each in made))


def noted(text: str, *made: Timed[Any]) -> str:
    """The line for the trace, with what the models had to say of how it went."""
    return "; ".join([text, *(note for each in made for note in each.notes)])


class ToolError(RuntimeError):
    """The planner asked for something that cannot be done; it reads the message and may ask for something else."""


class PoisonInput(RuntimeError):
    """The source cannot be worked on at all; the sample is quarantined with what is known of it."""

    def __init__(self, message: str, changes: dict[str, JsonValue]) -> None:
        super().__init__(message)
        self.changes = changes


class NoClipLeft(RuntimeError):
    """Every clip has had as many edits as it may have."""


def _json(value: object) -> JsonValue:
    if isinstance(value, Noun):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_json(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a tool may change a sample by nouns and plain values only, not by {value!r}")
