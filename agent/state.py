"""What travels through the graph, and the fold that makes a sample of its events.

A running sample and a resumed one go through the same `apply`, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, NotRequired, TypedDict

from memory.sample import By, Event, ModelCall, Refusal, Sample

CLEARS: Mapping[str, tuple[str, ...]] = {
    "write_instruction": ("key_frame", "key_frame_verdict", "edit", "verdict", "suggestion"),
    "edit_key_frame": ("key_frame_verdict", "edit", "verdict", "suggestion"),
    "generate_video": ("verdict", "suggestion"),
    "enhance_video": ("verdict", "suggestion"),
}
"""What no longer holds once a tool has done its stage again."""


class Call(TypedDict):
    """The call that was decided on, and how: everything the event must say beside the result."""

    tool: str
    arguments: dict[str, object]
    by: str
    model: str | None
    prompt_hash: str | None
    tokens: int | None
    seconds: float
    refusals: list[Refusal]
    planner_fallback: bool
    calls: list[ModelCall]


def unasked(tool: str, arguments: dict[str, object], by: By) -> Call:
    """A call that no model was asked for."""
    return Call(
        tool=tool,
        arguments=arguments,
        by=by,
        model=None,
        prompt_hash=None,
        tokens=None,
        seconds=0.0,
        refusals=[],
        planner_fallback=False,
        calls=[],
    )


def extend(history: tuple[Event, ...], new: tuple[Event, ...]) -> tuple[Event, ...]:
    """The reducer of `history`."""
    return history + new


class SampleState(TypedDict):
    """The graph's state: hashes and small values."""

    sample: Sample
    number: int
    history: Annotated[tuple[Event, ...], extend]
    call: NotRequired[Call]


def apply(sample: Sample, event: Event) -> Sample:
    """The sample after one more event."""
    changes: dict[str, object] = {} if event.error else dict.fromkeys(CLEARS.get(event.tool, ()))
    changes |= event.result
    changes |= {
        "stage": event.next_stage,
        "attempts": {**sample.attempts, event.tool: sample.attempts.get(event.tool, 0) + 1},
        "model_seconds": sample.model_seconds + event.model_seconds,
        "gpu_seconds": sample.gpu_seconds + event.gpu_seconds,
        "planner_fallbacks": sample.planner_fallbacks + event.planner_fallback,
    }
    return Sample.model_validate(sample.model_dump() | changes)


def fold(sample: Sample, events: Iterable[Event]) -> Sample:
    """The sample that its events lead to, from the new sample they began with."""
    for event in events:
        sample = apply(sample, event)
    return sample
