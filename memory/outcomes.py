"""What became of samples, for figures over many of them: read from the table of listed.py, no sample parsed whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from memory.listed import LISTED
from memory.listing import Filter, Values, where


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One sample's decision, scores and cost."""

    id: str
    decision: str
    """Or "pending"."""
    conversation: bool
    clip_id: str
    """Of a window of a source file by content: runs that look at the same file share it. Empty before there is one."""
    edit_type: str
    instruction: str
    prompts: str
    model_seconds: float
    reasons: tuple[str, ...]
    scores: dict[str, float | None]
    """By axis, of the video, or of the key frame where no video was judged."""
    failed: frozenset[str]
    """Axes whose score did not pass."""


def outcomes(rows: Callable[[str, Values], list[Any]], wanted: Filter) -> Iterator[Outcome]:
    """Those that match, in the order that they were begun; some 10 us each."""
    test, values = where(wanted)
    columns = (
        "decision, conversation, clip_id, coalesce(edit_type, ''), instruction, coalesce(prompts, ''), model_seconds, "
        "reasons, scores, failed"
    )
    # The id stands first among the words.
    query = (
        f"SELECT substr(words, 1, instr(words, char(10)) - 1), {columns} "
        f"FROM {LISTED.source(lambda asked: rows(asked, ()))} WHERE {test} ORDER BY number"
    )
    for id_, decision, talk, clip_id, edit_type, text, prompts, seconds, reasons, scores, failed in rows(query, values):
        yield Outcome(
            id=id_,
            decision=decision,
            conversation=bool(talk),
            clip_id=clip_id,
            edit_type=edit_type,
            instruction=text,
            prompts=prompts,
            model_seconds=seconds,
            reasons=tuple(json.loads(reasons)) if reasons != "[]" else (),
            scores=json.loads(scores),
            failed=frozenset(failed.split()),
        )
